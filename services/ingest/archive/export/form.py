"""The contract of a format: a name, a suffix, and a function from a recording to text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.archive.export.cues import Rules
    from ingest.archive.export.document import Document


def clock(seconds: float) -> str:
    """Return seconds as 1:02:03 or 2:03."""
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours}:{minutes:02}:{int(seconds) % 60:02}" if hours else f"{minutes}:{int(seconds) % 60:02}"


def one_line(text: str) -> str:
    """Return a text in one line: a line end would begin another cue, row or heading."""
    return " ".join(text.split())


@dataclass(frozen=True)
class Format:
    """A format. `header` begins a file; `joins`: a file may hold several recordings, one behind the other.

    `lacks` returns what a recording lacks for this format, None when it has all.
    """

    name: str
    suffix: str
    media_type: str
    write: Callable[[Document, Rules], str]
    header: str = ""
    joins: bool = False
    lacks: Callable[[Document], str | None] = field(default=lambda _document: None)
