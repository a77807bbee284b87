"""Output of the command line: results on standard output, all other lines on standard error.

Everything is printed by these two consoles. They leave out what a terminal would obey, and read neither markup nor
emoji codes in a text.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.table import Table
from rich.text import Text

from ingest.shared import outgoing
from ingest.shared.errors import RULES, Code

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType
    from rich.segment import Segment

HOUR_S = 3600
OK, FAILED, USAGE, SOME_FAILED, INTERRUPTED = 0, 1, 2, 3, 130


class PrintableConsole(Console):
    """A console whose texts cannot control the terminal; its own styles and cursor movements can."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Return the segments of an object, with printable text."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=outgoing.printable(segment.text))


out = PrintableConsole(highlight=False, soft_wrap=True, markup=False, emoji=False)
err = PrintableConsole(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def print_json(content: object) -> None:
    """Print content as indented JSON."""
    out.print(JSONHighlighter()(Text(outgoing.as_json(content, _plain))), soft_wrap=True)


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """Return a table; each cell is one line."""
    grid = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        grid.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in rows:
        grid.add_row(*(Text("" if cell is None else outgoing.line(cell)) for cell in row))
    return grid


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
