"""The bounds of what comes from outside: text, addresses, numbers and times of sites, feeds and messages.

Connectors apply them to listings and metadata (`ingest.downloader.sources.announced`), the messages apply them again.
A value beyond them is cut, moved to the nearest bound, or dropped: it must not cost a recording, its neighbours or the
archive. The times are those that a recording can have: an empty date of a program (year 1, 1601) is none.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from ingest.shared.text import one_line, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_TITLE: Final = 500
LONGEST_CHANNEL: Final = 200  # also the length of the index's key in the archive
LONGEST_ADDRESS: Final = 4096
LONGEST_TEXT: Final = 2_000
LONGEST_NAME: Final = 200
LONGEST_DESCRIPTION: Final = 2_000
MOST_CHAPTERS: Final = 100
MOST_PERSONS: Final = 50
LONGEST_LANGUAGE: Final = 20
LONGEST_RECORDING_S: Final = 366 * 24 * 3600.0  # a longer value is an error of the site, and overflows a date
EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
AHEAD: Final = timedelta(days=3653)  # ten years
MOST_FIGURES: Final = 100
LONGEST_CORRECTION: Final = 500  # of the words that are corrected at one place
LONGEST_WORDS: Final = 100  # of an entry of the vocabulary
MOST_ENTRIES: Final = 10_000  # of the vocabulary
MOST_VIDEOS: Final = 1000  # of one wish for a change
MOST_OF_A_RUN: Final = 20_000  # of one message about a run
MOST_REASONS: Final = 50  # of items that a listing leaves out
LARGEST_FIGURE: Final = 1e15
LARGEST_GENERATION: Final = (1 << 53) - 1  # JSON numbers are exact up to here
_NOT_IN_AN_ADDRESS = re.compile("[\x01-\x20\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def title(text: str) -> str:
    """Return a title as one line of bounded length."""
    return shorten(text, LONGEST_TITLE)


def channel(text: str) -> str:
    """Return the name of a channel or an author as one line of bounded length."""
    return shorten(text, LONGEST_CHANNEL)


def description(text: str) -> str:
    """Return a description as clean text of bounded length, in its own lines."""
    lines = [one_line(line) for line in text[: 4 * LONGEST_DESCRIPTION].splitlines()]
    joined = re.sub("\n{3,}", "\n\n", "\n".join(lines)).strip()
    return joined if len(joined) <= LONGEST_DESCRIPTION else joined[: LONGEST_DESCRIPTION - 1].rstrip() + "…"


def address(url: str) -> str:
    """Return a web address with its blanks, control and bidi characters percent-encoded."""
    return _NOT_IN_AN_ADDRESS.sub(lambda found: quote(found[0]), url)


def in_utc(at: datetime) -> datetime:
    """Return a time in UTC, or the nearest possible one; a time without zone is UTC."""
    if at.tzinfo is None:
        return at.replace(tzinfo=UTC)
    try:
        return at.astimezone(UTC)
    except OverflowError:  # year 1 east of Greenwich, year 9999 west of it
        return at.replace(tzinfo=UTC)


def nearest_moment(at: datetime) -> datetime:
    """Return a time in UTC, moved to the nearest bound: a message about it must not be lost."""
    return min(max(in_utc(at), EARLIEST), datetime.now(UTC) + AHEAD)


def possible_moment(at: datetime | None) -> datetime | None:
    """Return a time in UTC, or None for one that no recording can have."""
    if at is None:
        return None
    found = in_utc(at)
    return found if EARLIEST <= found <= datetime.now(UTC) + AHEAD else None


def possible_length(seconds: float | None) -> float | None:
    """Return a length in seconds, or None for one that no recording can have."""
    return seconds if seconds is not None and 0 <= seconds < LONGEST_RECORDING_S else None


def figures(numbers: Mapping[str, float]) -> dict[str, float]:
    """Return the figures that are finite (JSON has neither NaN nor infinity), with bounded names, values and number."""
    finite = [(name, value) for name, value in numbers.items() if math.isfinite(value)]
    return {
        shorten(name, LONGEST_NAME): min(max(value, -LARGEST_FIGURE), LARGEST_FIGURE)
        for name, value in finite[:MOST_FIGURES]
    }
