"""The transcript file: the recognised text of a recording with times, quality figures and the keys of its models.

JSON with a version, compressed with zstd; older versions can be read. Times are seconds from the start of the
recording. Without diarization, `speaker` and `turns` are None. Words keep the spacing that the recognizer wrote: `join`
is the only way from words to text.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Protocol

from pydantic import Field

from ingest.shared import scripts
from ingest.shared.artifacts import zstd_json
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Part, Seconds, Text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TRANSCRIPT_VERSION = 3
READABLE_VERSIONS = (1, 2, 3)  # 1 has no speakers, 2 has no spacing
EXTENSION = "json.zst"
INVENTED = "invented"  # the flag of segments that are no part of the text


class TextPart(Protocol):
    """A piece of text with the spacing before it."""

    @property
    def before(self) -> str:
        """Return the spacing before the text, which may be empty."""

    @property
    def text(self) -> str:
        """Return the text."""


def join(parts: Iterable[TextPart]) -> str:
    """Return the text of consecutive parts; the spacing before the first one is left out."""
    return "".join(part.before + part.text for part in parts).lstrip()


class Word(Part):
    """A word with its time and the recognizer's probability.

    `before` is the spacing before the word: a blank or nothing. Files of version 2 do not have it: a blank.
    """

    start_s: Seconds
    end_s: Seconds
    before: Text = " "
    text: Text
    probability: Annotated[float, Field(ge=0, le=1)]


def spread(text: str, start_s: float, end_s: float) -> list[Word]:
    """Return the words of a text that is said from `start_s` to `end_s`, each with an equal share of that time."""
    texts = scripts.tokens(f" {text}")
    share_s = (end_s - start_s) / max(1, len(texts))
    times_s = [*(start_s + share_s * number for number in range(len(texts))), end_s]
    return [
        Word(start_s=first_s, end_s=last_s, before=before[:1] and " ", text=text, probability=1.0)
        for (before, text), (first_s, last_s) in zip(texts, pairwise(times_s), strict=True)
    ]


class Segment(Part):
    """About a sentence, with the quality figures of the chunk that contains it.

    `avg_logprob` is the mean log probability of its tokens. `compression_ratio` grows with repetition.
    `no_speech_prob` is the probability that the chunk contains no speech. Flags mark probable hallucinations, which are
    not deleted; segments with the flag INVENTED are not searchable. `temperature` is read from files of version 0.1.0,
    where it was always 0, and no longer written. Without `language`, it is in the language of the transcript.
    """

    start_s: Seconds
    end_s: Seconds
    text: Text
    words: tuple[Word, ...]
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    temperature: Annotated[float, Field(exclude=True)] = 0.0
    refined: bool = False
    language: str | None = None
    flags: tuple[str, ...] = ()
    speaker: str | None = None
    speaker_score: float | None = None
    is_overlap: bool = False

    @property
    def before(self) -> str:
        """Return the spacing before the text."""
        return self.words[0].before if self.words else " "


class Turn(Part):
    """A time span with one speaker.

    `cluster` is the diarization's name of the speaker. `speaker` is the name of a profile, or `Unknown 1`. `score` is
    the cosine similarity to the best profile, `margin` its difference to the score of `second_best`, and `rule` the
    rule that chose the name. `vector` is the index of the turn's voice embedding, None if the turn is too short or
    silent.
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


class Stretch(Part):
    """A time span of the recording."""

    start_s: Seconds
    end_s: Seconds


class Wording(Part):
    """A text of the vocabulary that the recognizer had when it was told to expect it, and what it had without that.

    Where the two do not sound alike it is not taken: the recognizer may have made it up.
    """

    start_s: Seconds
    end_s: Seconds
    text: Text
    instead_of: Text
    is_taken: bool


class Timings(Part):
    """Wall seconds of each step. Decoding, the search for speech and recognition overlap.

    `recognise_s` includes the time that the device spent on other videos, and waiting for the first chunks.
    """

    decode_s: Seconds
    speech_s: Seconds
    recognise_s: Seconds
    diarize_s: Seconds = 0.0
    total_s: Seconds


class Transcript(Part):
    """The transcript of one recording. `notes` are counts of corrected or flagged values.

    `unread` is speech for which the recognizer found no words in any reading, `vocabulary` what it made of the words
    that it was told to expect.
    """

    transcript_version: int = TRANSCRIPT_VERSION
    video_id: str
    audio_sha256: str
    duration_s: Seconds
    speech_s: Seconds
    language: str
    language_probability: float
    model_key: str
    segments: tuple[Segment, ...]
    unread: tuple[Stretch, ...] = ()
    vocabulary: Annotated[tuple[Wording, ...], Field(exclude_if=lambda found: not found)] = ()
    turns: tuple[Turn, ...] | None = None
    timings: Timings
    notes: dict[str, float] = Field(default_factory=dict)

    @property
    def text(self) -> str:
        """Return the text of the whole recording."""
        return join(self.segments)

    @property
    def real_time_factor(self) -> float:
        """Return processing time over recording length (smaller is faster)."""
        return self.timings.total_s / self.duration_s if self.duration_s else 0.0


def write(transcript: Transcript, path: Path) -> None:
    """Write a transcript file."""
    path.write_bytes(zstd_json.pack(transcript, Code.BAD_TRANSCRIPT))


def read(path: Path) -> Transcript:
    """Return the content of a transcript file; raise BAD_TRANSCRIPT when it is invalid."""
    transcript = zstd_json.read(Transcript, path, Code.BAD_TRANSCRIPT)
    if transcript.transcript_version not in READABLE_VERSIONS:
        raise IngestError(Code.BAD_TRANSCRIPT, f"{path.name} has version {transcript.transcript_version}")
    return transcript
