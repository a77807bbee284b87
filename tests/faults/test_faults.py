"""The part of the fault table that every change has to pass; `make faults` plays all of it, with more rounds.

What is left after a fault is judged here. How long it took is judged by `make faults`, which has the machine alone.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.faults.__main__ import play
from tests.faults.fleet import running
from tests.faults.oracle import Reader, is_mixed, judge
from tests.faults.points import MOMENTS, POINTS
from tests.faults.rooms import passage
from tests.faults.rows import ROWS

if TYPE_CHECKING:
    from pathlib import Path

IN_CI = ("1.4", "1.8", "4b", "6", "10", "12", "17", "23")
VIDEO = "abcdefghijk"


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


@pytest.mark.parametrize(
    ("texts", "mixed"),
    [
        pytest.param([passage(VIDEO, 1, 0), passage(VIDEO, 1, 1)], False, id="one run"),
        pytest.param([passage(VIDEO, 1, 0), passage(VIDEO, 2, 1)], True, id="two runs"),
        pytest.param([passage(VIDEO, 1, 0), passage("b" * 11, 1, 1)], True, id="two videos"),
        pytest.param([passage(VIDEO, 1, 0), passage(VIDEO, 1, 2)], True, id="a gap"),
        pytest.param(["something else"], True, id="something else"),
    ],
)
def test_the_reader_tells_a_mix(texts: list[str], mixed: bool) -> None:  # noqa: FBT001 (a table)
    assert is_mixed(VIDEO, texts) is mixed


@pytest.mark.timeout(600)
def test_the_oracle_sees_each_kind_of_harm(tmp_path: Path) -> None:
    with running(tmp_path / "fleet") as fleet:
        reader = Reader(fleet)
        lost, shortened, spoiled = fleet.submit(3)
        fleet.wait([lost, shortened, spoiled])
        fleet.until(lambda: judge(fleet, reader, failures={}, faults=0) == [], 20.0)
        fleet.send(signal.SIGSTOP)
        fleet.ask(lost, 2)
        with fleet.connection() as connection:
            connection.execute("DELETE FROM segments WHERE video_id = %s AND idx = 1", (shortened,))
        manifest = fleet.volume.manifest(spoiled, "audio")
        assert manifest is not None
        fleet.volume.resolve(manifest.artifact.path).write_bytes(b"x")
        (fleet.logs / "x.log").write_text(f'{{"event": "failed"}}\npassword {fleet.nats.password}\n')
        reader.mixed.add(spoiled)
        wrong = judge(fleet, reader, failures={shortened: "NOT_AUDIO"}, faults=0)
    assert {one[:2] for one in wrong} == {"I1", "I2", "I3", "I4", "I5", "I8"}
