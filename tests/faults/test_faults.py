"""The part of the fault table that every change has to pass; `make faults` plays all of it, with more rounds.

These tests check the state after a fault. `make faults`, which has the machine alone, also checks the recovery time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingest.shared.broker.topology import INPUT_OF
from ingest.shared.messages import Stage
from tests.faults.__main__ import play, play_bare
from tests.faults.fleet import running
from tests.faults.kills import waves
from tests.faults.needs import Needs
from tests.faults.on_state_folder import STATE_ROWS
from tests.faults.points import REFUSABLE
from tests.faults.recordings import Flaw
from tests.faults.rows import ROWS
from tests.faults.trials import is_folded, is_quiet

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.trials import BareRow, Row

LATE = 5  # one that is read after it was due, as on a busy machine, gets no delayed nak
IN_CI = ("1.4", "1.8", "1.17", "4b", "6", "10", "12", "17", "23")
PLAYED = [pytest.param(row, id=row.number) for row in ROWS if row.number in IN_CI]


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("row", PLAYED)
def test_a_promise_is_kept(row: Row) -> None:
    result = play(row, rounds=1, seed=1)
    assert result.wrong == []
    assert result.rounds == 1


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("row", [pytest.param(row, id=row.number) for row in STATE_ROWS])
def test_a_promise_about_a_state_folder_is_kept(row: BareRow) -> None:
    assert play_bare(row, rounds=1, seed=1).wrong == []


@pytest.mark.long
@pytest.mark.timeout(300)
def test_every_point_that_recordings_reach_is_one_at_which_workers_are_killed(tmp_path: Path) -> None:
    with running(tmp_path / "fleet", Needs()) as fleet:
        (fleet.faults / "reached").mkdir()
        ways = [flaw.at(stage) for flaw in (Flaw.LATE, Flaw.BAD) for stage in Stage]
        ways += [Flaw.TORN.at(stage) for stage in (Stage.ASR, Stage.EMBEDDER)]
        ids = [video for way in ("", *ways) for video in fleet.submit(1, way)]
        ids += fleet.submit(LATE, Flaw.LATE.at(Stage.CHECK))
        for stage in Stage:
            fleet.bus.publish(INPUT_OF[stage], b"[]", f"unreadable:{stage}")
        fleet.wait(ids)
        fleet.until(lambda: is_quiet(fleet) and is_folded(fleet))
        reached = {path.name for path in (fleet.faults / "reached").iterdir()}
    killed = {point for wave in waves() for point in wave}
    threads = {point.split(".")[0] for point in killed}
    ours = {point for point in reached if point.split(".")[0] in threads and point.split(".")[1] not in REFUSABLE}
    assert ours - killed == set()
    assert killed - ours == set()
