"""A table that fits every output: columns on a terminal, a list on a narrow one, a line for each row in a pipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions, RenderableType

GAP = 1  # columns between two cells
READABLE = 12  # columns that a long text needs at least


@dataclass(frozen=True)
class Listing:
    """Rows of cells, each one line, under column names. The cells of the first column are never folded."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        if self._least_width() > options.max_width:
            yield from self._stacked()
        elif console.is_terminal:
            yield self._grid()
        else:
            yield from self._lines()

    def _least_width(self) -> int:
        """Return the columns of the terminal that a readable table needs."""
        first, *others = self._widths()
        return first + sum(GAP + min(width, READABLE) for width in others)

    def _widths(self) -> list[int]:
        table = (self.columns, *self.rows)
        return [max(cell_len(row[number]) for row in table) for number in range(len(self.columns))]

    def _grid(self) -> Table:
        grid = Table(title=self.title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for number, column in enumerate(self.columns):
            grid.add_column(column, overflow="fold", no_wrap=number == 0)
        for row in self.rows:
            grid.add_row(*map(Text, row))
        return grid

    def _lines(self) -> Iterator[Text]:
        yield Text(self.title)
        widths = self._widths()
        for row in (self.columns, *self.rows):
            padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
            line = "  ".join(padded).rstrip()
            if line:
                yield Text(line)

    def _stacked(self) -> Iterator[Text]:
        """Yield a line for each cell, and an empty line after each row."""
        yield Text(self.title, style="bold")
        for row in self.rows:
            if any(self.columns):
                yield from (Text(f"{name}: {cell}") for name, cell in zip(self.columns, row, strict=True) if cell)
                yield Text("")
            else:
                yield Text(": ".join(row))
