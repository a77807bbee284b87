"""The part of the fault table that every change has to pass; `make faults` plays all of it, with more rounds.

What is left after a fault is judged here. How long it took is judged by `make faults`, which has the machine alone.
"""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from services.shared.bus import event_subject
from services.shared.messages import Event, EventKind, Stage, encode
from services.shared.volume import TEMPORARY_PREFIX
from tests.faults.__main__ import play
from tests.faults.fleet import Needs, running
from tests.faults.oracle import Oracle
from tests.faults.points import MOMENTS, POINTS
from tests.faults.reader import Reader
from tests.faults.rows import ROWS
from tests.faults.spoken import is_mixed, passage, passages

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


def run(generation: int, *numbers: int) -> list[str]:
    return [passage(VIDEO, generation, number) for number in numbers]


@pytest.mark.parametrize(
    ("texts", "mixed"),
    [
        pytest.param(run(1, *range(passages(1))), False, id="one run"),
        pytest.param([*run(1, *range(passages(1) - 1)), *run(2, passages(1) - 1)], True, id="two runs"),
        pytest.param([*run(1, *range(passages(1) - 1)), passage("b" * 11, 1, passages(1) - 1)], True, id="two videos"),
        pytest.param(run(1, 0, *range(2, passages(1) + 1)), True, id="a gap"),
        pytest.param(run(1, *range(passages(1) - 1)), True, id="only the beginning"),
        pytest.param(["something else"], True, id="something else"),
    ],
)
def test_the_reader_tells_a_mix(texts: list[str], mixed: bool) -> None:  # noqa: FBT001 (a table)
    assert is_mixed(VIDEO, texts) is mixed


@pytest.mark.timeout(600)
def test_the_oracle_sees_each_kind_of_harm(tmp_path: Path) -> None:
    with running(tmp_path / "fleet", Needs()) as fleet:
        reader = Reader(fleet)
        lost, shortened, spoiled = fleet.submit(3)
        fleet.wait([lost, shortened, spoiled])
        oracle = Oracle(fleet, reader)
        fleet.until(lambda: oracle.judge({}, {}) == [], 20.0)
        fleet.ask(spoiled, 2)
        fleet.wait([spoiled])
        fleet.until(lambda: oracle.judge({}, {}) == [], 20.0)
        fleet.send(signal.SIGSTOP)
        oracle.begin()
        fleet.bus.publish(event_subject(Stage.ASR), encode(begun(spoiled, 2)), "begun again")
        fleet.ask(lost, 2)
        with fleet.servers.connection() as connection:
            connection.execute("DELETE FROM segments WHERE video_id = %s AND idx = 1", (shortened,))
        manifest = fleet.volume.manifest(spoiled, "audio")
        assert manifest is not None
        path = fleet.volume.resolve(manifest.artifact.path)
        path.write_bytes(b"x")
        path.with_name(f"{TEMPORARY_PREFIX}left").touch()
        (fleet.logs / "x.log").write_text(f'{{"event": "failed"}}\npassword {fleet.servers.nats.password}\n')
        reader.mixed.add(spoiled)
        wrong = oracle.judge({shortened: "NOT_AUDIO"}, {})
    assert {one[:2] for one in wrong} == {"I1", "I2", "I3", "I4", "I5", "I6", "I8"}
    assert sum(one.startswith("I4") for one in wrong) == 2


def begun(video_id: str, generation: int) -> Event:
    return Event(
        video_id=video_id, generation=generation, stage=Stage.ASR, kind=EventKind.STARTED, at=datetime.now(UTC)
    )
