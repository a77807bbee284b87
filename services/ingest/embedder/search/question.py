"""A question to the archive, and a passage that answers it. A command that asks a server needs no more than these."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class Question:
    """A search text (see `wording`) and its filters, which must match exactly except for case.

    Answers are from recordings published at `since` or later, and before `until`.
    """

    text: str
    speaker: str | None = None
    channel: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    language: str | None = None
    video_id: str | None = None
    limit: int = 10

    @property
    def is_by_day(self) -> bool:
        """Return whether answers are filtered by the day of their recording: those of unknown day are left out."""
        return self.since is not None or self.until is not None


@dataclass(frozen=True)
class Hit:
    """A passage that was found: `sentence` is its best sentence, which begins at `start_s`.

    `also_speaking` are those who speak at the same time as its speaker.
    """

    video_id: str
    index: int  # number of the passage in its recording
    title: str | None
    channel: str | None
    published_at: datetime | None
    url: str
    start_s: float
    passage_start_s: float
    passage_end_s: float
    text: str
    sentence: str
    speaker: str | None
    speaker_score: float | None
    similarity: float | None
    has_words: bool
    score: float
    also_speaking: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answers:
    """What was found, and how many searchable recordings a filter by day leaves out, because their day is not known.

    `citations` has the citation of each hit, where they are asked for.
    """

    hits: list[Hit]
    undated: int = 0
    citations: list[str | None] = field(default_factory=list)
