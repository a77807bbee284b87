"""Output of the command line: results on standard output, all other lines on standard error.

Everything is printed by these two consoles. They leave out what a terminal would obey, and read neither markup nor
emoji codes in a text.
"""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import datetime
from typing import IO, TYPE_CHECKING, cast

from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.text import Text

from ingest.cli import streams
from ingest.cli.listing import Listing
from ingest.shared import outgoing
from ingest.shared.errors import RULES, Code

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType
    from rich.segment import Segment

HOUR_S = 3600
OK, FAILED, USAGE, SOME_FAILED, FAULT, INTERRUPTED = 0, 1, 2, 3, 70, 130
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class PrintableConsole(Console):
    """A console whose texts cannot control the terminal; its own styles and cursor movements can."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Return the segments of an object, with printable text."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=outgoing.printable(segment.text))


def _console(stream: object) -> Console:
    return PrintableConsole(
        file=cast("IO[str]", stream),
        highlight=False,
        soft_wrap=True,
        markup=False,
        emoji=False,
        _environ=streams.Environment(),
    )


out = _console(streams.Output())
err = _console(streams.Lossy())


def print_json(content: object) -> None:
    """Print content as indented JSON; in ASCII, unless standard output takes every character."""
    text = outgoing.as_json(content, _plain)
    if not (out.encoding or "").startswith("utf"):
        text = _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)
    out.print(JSONHighlighter()(Text(text)), soft_wrap=True)


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Listing:
    """Return a table; each cell is one line."""
    cells = (tuple("" if cell is None else outgoing.line(cell) for cell in row) for row in rows)
    return Listing(title, tuple(columns), tuple(cells))


def clock(seconds: float) -> str:
    """Return seconds as 1:02:03 or 2:03."""
    total = int(seconds)
    hours, minutes = divmod(total // 60, 60)
    return f"{hours}:{minutes:02}:{total % 60:02}" if hours else f"{minutes}:{total % 60:02}"


def hours(seconds: float) -> str:
    """Return seconds in hours, or in minutes below one hour."""
    return f"{seconds / HOUR_S:.1f} h" if seconds >= HOUR_S else f"{seconds / 60:.1f} min"


def advice(code: str | None) -> str:
    """Return the advice for an error code."""
    try:
        return RULES[Code(code)].advice if code else ""
    except ValueError:
        return ""
