"""The part of the fault table that every change has to pass; `make faults` plays all of it, with more rounds.

What is left after a fault is judged here. How long it took is judged by `make faults`, which has the machine alone.
"""

from __future__ import annotations

import pytest

from tests.faults.__main__ import play
from tests.faults.points import MOMENTS, POINTS
from tests.faults.rows import ROWS

IN_CI = ("1.4", "1.8", "4b", "6", "10", "12", "17", "23")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("row", [row for row in ROWS if row.number in IN_CI], ids=lambda row: row.number)
def test_a_promise_is_kept(row: object) -> None:
    result = play(next(one for one in ROWS if one is row), rounds=1, seed=1)
    assert result.wrong == []
    assert result.rounds == 1


def test_every_point_is_in_some_row() -> None:
    named = " ".join(row.fault for row in ROWS if row.number.startswith("1."))
    assert [point for point in POINTS if point not in named] == []
    assert len(POINTS) == sum(map(len, MOMENTS.values()))
