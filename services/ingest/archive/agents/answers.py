"""The answers of the tools. Each part has a citation: recording, second, speaker with the score, and link."""

from __future__ import annotations

from datetime import datetime

from ingest.archive.web.shapes import Shape


class Citation(Shape):
    """Where something was said."""

    recording: str
    """Id of the recording."""
    title: str | None
    second: float
    speaker: str | None
    """null: the speaker is not known."""
    speaker_score: float | None
    """Similarity of the voice to the profile of this name; null where the name is of no profile."""
    link: str | None
    """Address of the recording at this second, at its source."""
    token: str | None = None
    """What a person checks a quote with: `ingest verify TOKEN`. null where there is none, and for a whole recording."""


class Result(Shape):
    """A passage that answers a question."""

    id: str
    """For `fetch`."""
    title: str
    url: str
    """The link of the citation."""
    text: str
    citation: Citation


class Results(Shape):
    """The answers to a question, the best one first."""

    results: tuple[Result, ...]


class Metadata(Shape):
    """Facts of a document."""

    recording: str
    channel: str | None
    published_at: datetime | None
    language: str | None
    duration_s: float | None
    from_s: float
    """Second at which the text begins."""
    to_s: float
    """Second at which the text ends."""
    continues_s: float | None
    """Second at which the recording continues after this text, for `transcript`; null at its end."""


class Document(Shape):
    """The text of a recording, or of a passage with those around it. Each line has its time and its speaker."""

    id: str
    title: str
    text: str
    url: str
    metadata: Metadata
    citation: Citation


class Recording(Shape):
    """A recording of the archive."""

    id: str
    title: str | None
    channel: str | None
    published_at: datetime | None
    duration_s: float | None
    language: str | None
    state: str
    """Only `indexed` recordings have a transcript."""
    reason: str | None
    """The reason in words, where the recording failed, was skipped or waits."""
    citation: Citation


class Recordings(Shape):
    """A page of the list of recordings, the latest first."""

    recordings: tuple[Recording, ...]
    next: str | None
    """The `cursor` of the next page; null on the last one."""


class Passage(Shape):
    """A passage of one speaker."""

    start_s: float
    end_s: float
    text: str
    is_overlap: bool
    """Whether other speakers speak at the same time."""
    also_speaking: tuple[str, ...]
    """These speakers, as far as they are known."""
    flags: tuple[str, ...]
    """Reasons to doubt the text."""
    citation: Citation


class Transcript(Shape):
    """A part of a transcript."""

    recording: str
    title: str | None
    passages: tuple[Passage, ...]
    continues_s: float | None
    """Where the part is long: the `from` of the next call; null when all of it is here."""


class Voice(Shape):
    """How much a speaker says in a part of a recording. The citation is the first passage of this speaker in it."""

    speaker: str | None
    """null: the speaker is not known."""
    seconds: float
    share: float
    """Part of the speech, from 0 to 1."""
    passages: int
    citation: Citation


class Voices(Shape):
    """Who speaks in a part of a recording, the one who speaks most first."""

    recording: str
    title: str | None
    speakers: tuple[Voice, ...]


class Speaker(Shape):
    """A named speaker of the archive. The citation is the passage whose voice is most similar to the profile."""

    speaker: str
    recordings: int
    passages: int
    seconds: float
    citation: Citation


class Speakers(Shape):
    """The named speakers, the one who speaks most first."""

    speakers: tuple[Speaker, ...]
    unnamed_s: float
    """Seconds of speech whose speaker has no name."""
