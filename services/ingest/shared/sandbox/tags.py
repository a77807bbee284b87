"""Reads the tags of a media file that matter to an archive."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

TIME_TAGS = ("creation_time", "date")  # of MP4, QuickTime and Matroska; of ID3 and Vorbis comments
EPOCHS = (datetime(1904, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC))  # a program's zero, and no time


def created_at(*tags: Mapping[str, str]) -> datetime | None:
    """Return when a file says that it was recorded, of the first tag with a whole date; None without one.

    A year alone is no date. A time without zone is UTC.
    """
    for name in TIME_TAGS:
        for found in tags:
            at = _moment(found.get(name, ""))
            if at is not None:
                return at
    return None


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text.strip())
        at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return None if at in EPOCHS else at
