"""The table of bad inputs has 61 rows; a test of row 7 has a parameter whose id begins with `7 `."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS = frozenset(range(1, 62))


def those_of_this_folder() -> Iterator[Callable[..., object]]:
    """Yield the tests of this folder."""
    for path in Path(__file__).parent.glob("test_*.py"):
        module = import_module(f"tests.integration.bad_inputs.{path.stem}")
        yield from (thing for name, thing in vars(module).items() if name.startswith("test_"))


def rows_of(test: Callable[..., object]) -> Iterator[int]:
    """Yield the rows that a test is about: the numbers before the ids of its parameters."""
    for mark in getattr(test, "pytestmark", ()):
        if mark.name == "parametrize":
            found = (re.match(r"(\d+) ", str(getattr(row, "id", ""))) for row in mark.args[1])
            yield from (int(number[1]) for number in found if number)


def test_every_row_has_a_test() -> None:
    tried = {row for test in those_of_this_folder() for row in rows_of(test)}
    assert sorted(ROWS - tried) == [], "rows without a test"
    assert sorted(tried - ROWS) == [], "there are no such rows"
