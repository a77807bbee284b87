"""The captions file of a recording: what its source, a file beside it or a person says that is said, and when.

Captions are read from untrusted files by `ingest.downloader.captions`; here they are cues in order, without markup.
Speakers that a file names are no part of it: a name comes from a voice, or from a person by `ingest voices name`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ingest.shared.artifacts import zstd_json
from ingest.shared.artifacts.transcript import Segment, Timings, Transcript, Word, spread
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Part, Seconds, Text

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.shared.artifacts.volume import Volume

CAPTIONS_VERSION = 1
EXTENSION = "json.zst"
CAPTIONED = "captions"  # the flag of segments whose words are those of captions
KEY_PREFIX = "captions:"
KEY_LENGTH = 12


class Cue(Part):
    """A line of captions with its time; without times, all cues have the time 0."""

    start_s: Seconds
    end_s: Seconds
    text: Text


class Captions(Part):
    """The captions of a recording.

    `kind` is `automatic` where a site says that a program has recognised them. `origin` says where they are from: the
    site, a feed, a file beside the recording, or `ingest import`. `sha256` is that of the file as it was delivered.
    """

    captions_version: int = CAPTIONS_VERSION
    video_id: str
    kind: Literal["manual", "automatic"]
    origin: Literal["site", "feed", "file", "import"]
    language: str | None = None
    sha256: str
    has_times: bool = True
    cues: tuple[Cue, ...]

    @property
    def key(self) -> str:
        """Return what takes the place of the recognizer in a transcript made of them."""
        return f"{KEY_PREFIX}{self.origin}:{self.kind}:{self.sha256[:KEY_LENGTH]}"

    @property
    def is_preferred(self) -> bool:
        """Return whether they may take the place of recognised words: with times, and written by a person."""
        return self.kind == "manual" and self.has_times

    @property
    def end_s(self) -> float:
        """Return when the last cue ends."""
        return max((cue.end_s for cue in self.cues), default=0.0)


def write(captions: Captions, path: Path) -> None:
    """Write a captions file."""
    path.write_bytes(zstd_json.pack(captions, Code.BAD_CAPTIONS))


def read(path: Path) -> Captions:
    """Return the content of a captions file; raise BAD_CAPTIONS when it is invalid."""
    captions = zstd_json.read(Captions, path, Code.BAD_CAPTIONS)
    if captions.captions_version != CAPTIONS_VERSION:
        raise IngestError(Code.BAD_CAPTIONS, f"{path.name} has version {captions.captions_version}")
    return captions


def kept(volume: Volume, video_id: str) -> Captions | None:
    """Return the captions of a recording that the volume has; None without any, or where they cannot be read."""
    manifest = volume.manifest(video_id, "captions")
    if manifest is None:
        return None
    try:
        return read(volume.verified(manifest.artifact, patience_s=0))
    except IngestError as error:
        if error.code not in {Code.BAD_CAPTIONS, Code.ARTIFACT_MISSING, Code.CHECKSUM_MISMATCH}:
            raise
        return None


def segments(captions: Captions, duration_s: float) -> tuple[Segment, ...]:
    """Return captions as segments of a recording of this length; the words of a cue share its time."""
    return tuple(
        _segment(cue, min(cue.end_s, duration_s))
        for cue in captions.cues
        if cue.start_s < duration_s and cue.text.strip()
    )


def words(captions: Captions) -> list[Word]:
    """Return the words of captions, each with its share of the time of its cue."""
    return [word for cue in captions.cues for word in spread(cue.text, cue.start_s, cue.end_s)]


def transcript(captions: Captions, duration_s: float, language: str) -> Transcript:
    """Return captions as a transcript of a recording whose audio nothing has heard."""
    found = segments(captions, duration_s)
    return Transcript(
        video_id=captions.video_id,
        audio_sha256="",
        duration_s=round(duration_s, 3),
        speech_s=round(sum(segment.end_s - segment.start_s for segment in found), 3),
        language=language,
        language_probability=1.0,
        model_key=captions.key,
        segments=found,
        timings=Timings(decode_s=0, speech_s=0, recognise_s=0, total_s=0),
    )


def _segment(cue: Cue, end_s: float) -> Segment:
    """Return a cue as a segment; its quality figures are those of text that no recognizer doubts."""
    return Segment(
        start_s=cue.start_s,
        end_s=end_s,
        text=cue.text,
        words=tuple(spread(cue.text, cue.start_s, end_s)),
        avg_logprob=0.0,
        compression_ratio=1.0,
        no_speech_prob=0.0,
        flags=(CAPTIONED,),
    )
