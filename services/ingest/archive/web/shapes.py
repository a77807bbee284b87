"""The answers of the API: the form of its JSON, which is also the form in its OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Recording(Shape):
    """A recording of the archive."""

    id: str
    title: str | None
    channel: str | None
    published_at: datetime | None
    date_source: str | None
    """Where the date is from: given (by the submitter), site (or feed), file (the time inside it), name (of a file)."""
    duration_s: float | None
    language: str | None
    state: str
    """queued, running, postponed, indexed, failed, skipped or deferred."""
    passages: int
    link: str | None
    """Address of the recording at its source, without logins."""
    page: str
    """Path of the recording's page on this server."""
    code: str | None
    """Error code, where the recording failed, was skipped or waits."""
    reason: str | None
    """The reason in words."""
    advice: str | None
    """What a person can do about it."""


class Recordings(Shape):
    """A page of the list of recordings, the latest first."""

    recordings: tuple[Recording, ...]
    next: str | None
    """The `cursor` of the next page; null on the last one."""


class Share(Shape):
    """How much a speaker says in a recording."""

    speaker: str | None
    """null: the speaker is not known."""
    seconds: float
    share: float
    """Part of all speech in the recording, from 0 to 1."""
    passages: int
    least_score: float | None
    """The lowest score of the passages' attributions."""
    overlapping: int
    """Passages during which other speakers speak, too."""
    named_by: str | None
    """Who has named the speaker by hand; null where a voice model has."""


class Statement(Shape):
    """What a person has said about a speaker of a recording; a change of the kind `undo` takes it back."""

    id: int
    kind: str
    """name, turn (only a part) or not (it is not that person)."""
    name: str
    """Empty: another speaker of the recording."""
    start_s: float
    """Where the speaker begins."""
    author: str
    state: str
    """placed, right, or `needs a look`: the speaker is not found any more."""


class Correction(Shape):
    """Words of a recording that a person has corrected; a change of the kind `undo_correction` takes it back."""

    id: int
    start_s: float
    expected: str
    """The words as they were."""
    replacement: str
    author: str
    state: str
    """placed, right (the recognizer wrote it, too), or `needs a look`: its place is not found any more."""
    found: str
    """What it replaced or, where it needs a look, what is there."""


class Chapter(Shape):
    """A part of a recording, as its source names it."""

    start_s: float
    title: str


class About(Shape):
    """What the source says about a recording; null or empty where it says nothing."""

    description: str | None = None
    chapters: tuple[Chapter, ...] = ()
    persons: tuple[str, ...] = ()
    season: int | None = None
    episode: int | None = None
    thumbnail: str | None = None
    """Address of a picture at the source."""


class RecordingDetail(Recording):
    """A recording with its speakers."""

    about: About
    speakers: tuple[Share, ...]
    by_hand: tuple[Statement, ...]
    """What people have said about its speakers, the latest first."""
    corrections: tuple[Correction, ...]
    """Words that people have corrected, the latest first; at most 1000."""
    audio: str | None
    """Path of the audio on this server; null when it is not kept."""
    player: str | None
    """Address of the site's own player, which the page opens at a click; null when the site gives none."""
    transcript: str
    """Path of the transcript on this server."""


class SpokenWord(Shape):
    """A word with its time; `before` is the spacing before it."""

    start_s: float
    end_s: float
    before: str
    text: str
    probability: float


class Passage(Shape):
    """A text of one speaker."""

    index: int
    start_s: float
    end_s: float
    text: str
    speaker: str | None
    score: float | None
    """Similarity of the voice to the profile of this name."""
    named_by: str | None
    """Who has named the speaker by hand; null where a voice model has."""
    is_overlap: bool
    """Whether other speakers speak at the same time."""
    also_speaking: tuple[str, ...]
    """These speakers, as far as they are known; empty in recordings that were indexed by an earlier version."""
    flags: tuple[str, ...]
    """Reasons to doubt the text; `captions` where its words are those of captions, which nothing has recognised."""
    link: str | None
    """Address of the recording at this second, at its source."""
    words: tuple[SpokenWord, ...] | None
    """null unless asked for; empty where the words are not kept."""
    citation: str | None = None
    """For `ingest verify`; null unless asked for, and where the transcript is not kept."""


class Transcript(Shape):
    """The passages of a recording, in order."""

    id: str
    title: str | None
    language: str | None
    duration_s: float | None
    passages: tuple[Passage, ...]


class Hit(Shape):
    """A passage that answers a question."""

    recording: str
    """Id of the recording."""
    index: int
    """Number of the passage in the recording."""
    title: str | None
    channel: str | None
    published_at: datetime | None
    speaker: str | None
    speaker_score: float | None
    """Similarity of the voice to the profile of this name."""
    also_speaking: tuple[str, ...]
    """Those who speak at the same time."""
    start_s: float
    """Where the best sentence begins."""
    passage_start_s: float
    passage_end_s: float
    text: str
    sentence: str
    """The sentence that is nearest to the question."""
    similarity: float | None
    has_words: bool
    """Whether the passage has the words of the question."""
    score: float
    link: str
    """Address of the recording at this second, at its source."""
    page: str
    """Path of the recording's page at this second, on this server."""
    citation: str | None = None
    """For `ingest verify`; null unless asked for, and where the transcript is not kept."""


class Hits(Shape):
    """The answers to a question, the best one first."""

    results: tuple[Hit, ...]
    undated: int = 0
    """Searchable recordings of unknown day, which `from` and `until` leave out."""


class Speaker(Shape):
    """A named speaker."""

    speaker: str
    recordings: int
    passages: int
    seconds: float


class Speakers(Shape):
    """The named speakers, the one who speaks most first."""

    speakers: tuple[Speaker, ...]
    unnamed_s: float
    """Seconds of speech whose speaker has no name."""


class Total(Shape):
    """The recordings in a state with an error code."""

    state: str
    code: str | None
    advice: str | None
    recordings: int
    duration_s: float
    passages: int


class Part(Shape):
    """The searchable recordings of a channel or a language."""

    name: str
    recordings: int
    duration_s: float


class Status(Shape):
    """What the archive holds, what is on its way, and what failed."""

    recordings: int
    indexed: int
    duration_s: float
    """Length of the indexed recordings."""
    passages: int
    totals: tuple[Total, ...]
    channels: tuple[Part, ...]
    """The channels with the longest recordings."""
    languages: tuple[Part, ...]
    """The languages with the longest recordings."""
    recent: tuple[Recording, ...]
    """Recordings that are not indexed, the latest change first."""
    search: str
    """`ready`, or the reason why questions are not answered yet."""


class Change(Shape):
    """A change that was asked for. `result` says what was done, or why it was refused; None while it waits."""

    id: str
    state: Literal["waiting", "done", "refused"]
    result: str | None
    at: datetime | None
