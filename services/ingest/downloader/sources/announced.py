"""Reads what a source announces about a recording, within the bounds of the messages, and notes what was cut.

Every connector makes its metadata here, inside the child process that reads the source: a value beyond the bounds of
`ingest.shared.bounds` costs neither the recording nor its neighbours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ingest.shared import bounds
from ingest.shared.about import DateSource
from ingest.shared.messages import Metadata

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ingest.shared.about import About

CUT = "cut_"  # figures of this prefix count the fields that were cut


@dataclass(frozen=True)
class Announcement:
    """The metadata of a recording; `cut` names the fields that were cut or dropped, because they cannot be right."""

    metadata: Metadata = field(default_factory=Metadata)
    cut: tuple[str, ...] = ()

    def saying(self, about: About | None) -> Announcement:
        """Return this announcement with what the source says for readers."""
        return replace(self, metadata=self.metadata.model_copy(update={"about": about}))


def figures(cut: tuple[str, ...], prefix: str = "") -> dict[str, float]:
    """Return a figure for each field that was cut."""
    return {f"{prefix}{CUT}{name}": 1.0 for name in cut}


def announced(
    *,
    title: object = None,
    channel: object = None,
    published_at: datetime | None = None,
    has_date: bool = False,
    date_source: DateSource = DateSource.SITE,
    duration_s: float | None = None,
    language: object = None,
) -> Announcement:
    """Return the metadata that a source announces.

    `has_date` says that the source names a date, although `published_at` is None when it cannot be read. An unknown
    language is left out, and does not count as cut.
    """
    cut: list[str] = []
    day = bounds.possible_moment(published_at)
    metadata = Metadata(
        title=_line("title", title, bounds.title, cut),
        channel=_line("channel", channel, bounds.channel, cut),
        published_at=day,
        date_source=None if day is None else date_source,
        duration_s=bounds.possible_length(duration_s),
        likely_language=language if isinstance(language, str) else None,
    )
    if metadata.published_at is None and (has_date or published_at is not None):
        cut.append("published_at")
    if metadata.duration_s is None and duration_s is not None:
        cut.append("duration_s")
    return Announcement(metadata, tuple(cut))


def text_in(said: object) -> str:
    """Return a value of JSON as text; an empty one where it is a list, an object, no number, or too long a number."""
    if isinstance(said, int) and abs(said) > bounds.LARGEST_FIGURE:  # Python refuses to write one of 4,301 digits
        return ""
    if isinstance(said, float) and not math.isfinite(said):
        return ""
    return str(said) if isinstance(said, str | int | float) else ""


def _line(name: str, said: object, bound: Callable[[str], str], cut: list[str]) -> str | None:
    """Return text as one bounded line, or None without any; other blanks and line ends are no loss."""
    if not said:
        return None
    text = text_in(said)
    if not text:
        cut.append(name)
        return None
    line = bound(text)
    if line != " ".join(text.split()):
        cut.append(name)
    return line or None
