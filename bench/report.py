"""The output of the benchmarks: the machine, tables, and medians of ratios that were taken side by side."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingest.shared.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MULTIPLES = {"k": 1_000, "M": 1_000_000}
WIDEST_TABLE = 500  # characters: a table is never cut to the width of the terminal


def parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """Return the command line that all benchmarks share."""
    made = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--json", action="store_true", help="print the raw figures of every round instead of tables")
    made.add_argument("--seed", type=int, default=7, help="seed of everything that is drawn (default %(default)s)")
    return made


def positive(text: str) -> int:
    """Return a whole number of at least 1: an argparse type."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not at least 1")
    return number


def sizes(text: str) -> list[int]:
    """Return growing numbers, as of 1k,10k,1M: an argparse type."""
    made = [int(float(part.rstrip("kM")) * MULTIPLES.get(part[-1:], 1)) for part in text.split(",")]
    if made != sorted(set(made)) or made[0] < 1:
        raise argparse.ArgumentTypeError(f"{text}: growing numbers, as 10k,100k,1M")
    return made


def quiet() -> None:
    """Keep the log lines of the services out of the figures: only errors are shown."""
    logs.configure(json_lines=True, level="ERROR")


def machine() -> dict[str, object]:
    """Return where the figures come from; the load says how busy others keep this machine."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
    }


def print_json(figures: object) -> None:
    """Print raw figures, with the machine they were taken on."""
    print(json.dumps({"machine": machine(), "figures": figures}, indent=2, default=_plain))


def _plain(value: Any) -> object:  # noqa: ANN401 (a foreign or generic shape)
    """Return a record as a table, and a path as its text, for JSON."""
    if isinstance(value, Path):
        return str(value)
    return asdict(value)


def print_machine() -> None:
    """Print where the figures come from."""
    print(", ".join(f"{name} {value}" for name, value in machine().items()))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under their columns: the first column to the left, the others to the right."""
    table = Table(box=None, pad_edge=False, header_style="")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(width=WIDEST_TABLE, highlight=False).print(table)


def median(values: Iterable[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> str:
    """Return the median of the rounds' ratios, with their quartiles where there are enough rounds to have any."""
    each = [above / below for above, below in zip(numerators, denominators, strict=True)]
    middle = f"{statistics.median(each):.2f}x"
    if len(each) < 4:  # noqa: PLR2004 (fewer have no quartiles)
        return middle
    low, _, high = statistics.quantiles(each, n=4, method="inclusive")
    return f"{middle} ({low:.2f}-{high:.2f})"
