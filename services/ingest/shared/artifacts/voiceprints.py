"""The voiceprints file of a recording: its turns with their voice embeddings, beside the transcript.

`ingest voices relabel` computes the names of speakers again from this file alone, without audio, recognition or
network, and replaces it as a whole. Search reads only the rows in Postgres.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from ingest.shared.artifacts import zstd_json
from ingest.shared.artifacts.transcript import Turn
from ingest.shared.artifacts.zstd_json import Vectors
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Part

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

VOICEPRINTS_VERSION = 1
EXTENSION = "voices.zst"


class Voiceprints(Part):
    """The turns of a recording and their voice embeddings; `model_key` identifies the space of the vectors.

    `outcome` is `full` after a diarization, and `fast_path` where one enrolled voice speaks throughout.
    """

    voiceprints_version: int = VOICEPRINTS_VERSION
    video_id: str
    model_key: str
    outcome: Literal["full", "fast_path"]
    turns: tuple[Turn, ...]
    vectors: Vectors

    @model_validator(mode="after")
    def _turns_point_at_vectors(self) -> Self:
        count = len(self.vectors.array())
        if any(turn.vector is not None and not 0 <= turn.vector < count for turn in self.turns):
            raise ValueError("the index of a turn's vector is out of range")
        return self


def pack(voiceprints: Voiceprints) -> bytes:
    """Return the bytes of a voiceprints file."""
    return zstd_json.pack(voiceprints, Code.BAD_VOICEPRINTS)


def write(voiceprints: Voiceprints, path: Path) -> None:
    """Write a voiceprints file."""
    path.write_bytes(pack(voiceprints))


def read(path: Path) -> Voiceprints:
    """Return the content of a voiceprints file; raise BAD_VOICEPRINTS when it is invalid."""
    voiceprints = zstd_json.read(Voiceprints, path, Code.BAD_VOICEPRINTS)
    if voiceprints.voiceprints_version != VOICEPRINTS_VERSION:
        raise IngestError(Code.BAD_VOICEPRINTS, f"{path.name} has version {voiceprints.voiceprints_version}")
    return voiceprints
