"""Output of the command line: results on standard output, all other lines on standard error."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingest.shared.errors import RULES, Code

if TYPE_CHECKING:
    from collections.abc import Iterable

HOUR_S = 3600
OK, FAILED, USAGE, SOME_FAILED, INTERRUPTED = 0, 1, 2, 3, 130

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(content: object) -> None:
    """Print content as indented JSON."""
    out.print_json(json.dumps(content, default=_plain))


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """Return a table; text in cells is not read as markup."""
    grid = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        grid.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in rows:
        grid.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
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
