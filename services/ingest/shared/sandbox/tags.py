"""Reads the tags of a media file that matter to an archive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ingest.shared.bounds import possible_moment

if TYPE_CHECKING:
    from collections.abc import Mapping

TIME_TAGS = ("creation_time", "date")  # of MP4, QuickTime and Matroska; of ID3 and Vorbis comments
EPOCHS = (  # the zero of a program or a clock, and no time: of QuickTime, Unix, FAT
    datetime(1904, 1, 1, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1980, 1, 1, tzinfo=UTC),
)
A_DAY = timedelta(days=1)  # a zero in another zone, a clock that is fast


def created_by_now(*tags: Mapping[str, str]) -> datetime | None:
    """Return when a file or its tracks say that they were recorded; None where they say nothing."""
    return possible_moment(created_at(*tags, now=datetime.now(UTC)))


def created_at(*tags: Mapping[str, str], now: datetime) -> datetime | None:
    """Return when a file says that it was recorded, of the first tag with a whole date; None without one.

    A year alone is no date, nor is the zero of a clock, nor a time to come. A time without zone is UTC.
    """
    for name in TIME_TAGS:
        for found in tags:
            at = _moment(found.get(name, ""))
            if at is not None and at <= now + A_DAY:
                return at
    return None


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text.strip())
        at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return None if any(abs(at - epoch) <= A_DAY for epoch in EPOCHS) else at
