"""The transcript file: what was recognised in a recording, with times, quality figures and how it was made.

JSON, compressed with zstd, with a version; older versions can be read. Times are seconds from the start of the
recording. `speaker` and `turns` stay empty where nobody has said who speaks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ingest.shared.artifacts import zstd_json
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Part, Seconds, Text

if TYPE_CHECKING:
    from pathlib import Path

TRANSCRIPT_VERSION = 2
READABLE_VERSIONS = (1, 2)  # 1 knew nothing of speakers
EXTENSION = "json.zst"


class Word(Part):
    """A word with its time and the recognizer's probability."""

    start_s: Seconds
    end_s: Seconds
    text: Text
    probability: Annotated[float, Field(ge=0, le=1)]


class Segment(Part):
    """A sentence or so, with the quality figures of the chunk it was recognised in.

    `avg_logprob` is the mean log probability of its tokens, `compression_ratio` grows with repetition, `no_speech_prob`
    says how likely nobody spoke. Flags mark what looks invented; nothing is deleted.
    """

    start_s: Seconds
    end_s: Seconds
    text: Text
    words: tuple[Word, ...]
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    temperature: float = 0.0
    refined: bool = False
    flags: tuple[str, ...] = ()
    speaker: str | None = None
    speaker_score: float | None = None
    is_overlap: bool = False


class Turn(Part):
    """Somebody speaks from `start_s` to `end_s`.

    `cluster` is whom the diarization took for one speaker, `speaker` the name: that of a profile, or `Unknown 1`. Why:
    `score` is the cosine similarity to the best profile, `margin` how far that is ahead of `second_best`, `rule` what
    decided. `vector` is the place of the turn's voice embedding, None where the turn is too short or silent for one.
    """

    start_s: Seconds
    end_s: Seconds
    cluster: str
    speaker: str
    score: float | None = None
    margin: float | None = None
    second_best: str | None = None
    rule: str = ""
    profile_version: int | None = None
    vector: int | None = None


class Timings(Part):
    """Wall seconds of each step; `recognise_s` includes waiting for the device, which other videos use too."""

    decode_s: Seconds
    speech_s: Seconds
    recognise_s: Seconds
    diarize_s: Seconds = 0.0
    total_s: Seconds


class Transcript(Part):
    """Everything that is known about what is said in one recording. `notes` counts what was put right or flagged."""

    transcript_version: int = TRANSCRIPT_VERSION
    video_id: str
    audio_sha256: str
    duration_s: Seconds
    speech_s: Seconds
    language: str
    language_probability: float
    model_key: str
    segments: tuple[Segment, ...]
    turns: tuple[Turn, ...] | None = None
    timings: Timings
    notes: dict[str, float] = Field(default_factory=dict)

    @property
    def real_time_factor(self) -> float:
        """Return processing time over recording length (smaller is faster)."""
        return self.timings.total_s / self.duration_s if self.duration_s else 0.0


def write(transcript: Transcript, path: Path) -> None:
    """Write a transcript file."""
    path.write_bytes(zstd_json.pack(transcript))


def read(path: Path) -> Transcript:
    """Return a transcript file's content; raise BAD_TRANSCRIPT for anything else."""
    transcript = zstd_json.read(Transcript, path, Code.BAD_TRANSCRIPT)
    if transcript.transcript_version not in READABLE_VERSIONS:
        raise IngestError(Code.BAD_TRANSCRIPT, f"{path.name} has version {transcript.transcript_version}")
    return transcript
