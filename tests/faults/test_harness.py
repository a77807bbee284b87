"""The pure parts of the harness: decisions of rows and commands from given observations."""

from __future__ import annotations

import argparse
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ingest.shared.messages import Event, EventKind, Stage
from tests.faults.__main__ import chosen
from tests.faults.home_rows import ABSENT, ALL, TWINS, UPLOADS, on_home
from tests.faults.homes import HomeName
from tests.faults.on_state_folder import STATE_ROWS
from tests.faults.points import happened_at
from tests.faults.rows import ROWS
from tests.faults.soak import AGE, report
from tests.faults.trials import done_again

if TYPE_CHECKING:
    from pathlib import Path

VIDEO = "abcdefghijk"
HARMED_AT = 1_000.0
COARSE_S = 0.05  # a file system's clock may be behind


def told(kind: EventKind, at: float, stage: Stage = Stage.ASR) -> Event:
    return Event(video_id=VIDEO, generation=1, stage=stage, kind=kind, at=datetime.fromtimestamp(at, UTC))


@pytest.mark.parametrize(
    ("events", "again"),
    [
        pytest.param([(EventKind.FINISHED, -5.0), (EventKind.STARTED, 1.0)], [f"asr of {VIDEO}"], id="had ended"),
        pytest.param([(EventKind.STARTED, -5.0), (EventKind.STARTED, 1.0)], [], id="was in progress"),
        pytest.param([(EventKind.FINISHED, -0.1), (EventKind.STARTED, 1.0)], [], id="was just being acknowledged"),
        pytest.param([(EventKind.STARTED, -5.0), (EventKind.FINISHED, -4.0)], [], id="is not begun again"),
    ],
)
def test_what_had_ended_before_a_fault_is_not_explained_by_it(
    events: list[tuple[EventKind, float]], again: list[str]
) -> None:
    assert done_again([told(kind, HARMED_AT + after_s) for kind, after_s in events], HARMED_AT) == again


def test_a_stage_that_ends_explains_nothing_about_the_next() -> None:
    events = [told(EventKind.FINISHED, HARMED_AT - 5), told(EventKind.STARTED, HARMED_AT + 1, Stage.EMBEDDER)]
    assert done_again(events, HARMED_AT) == []


@pytest.mark.parametrize(
    ("only", "numbers"),
    [
        pytest.param("6,12", ["6", "12"], id="by their numbers"),
        pytest.param("24", ["24a", "24b", "24c"], id="all of a family"),
        pytest.param("4", ["4"], id="a number that is also a family's"),
        pytest.param("1.1", ["1.1"], id="one of a family"),
        pytest.param("", [row.number for row in ALL], id="all"),
    ],
)
def test_rows_are_chosen_by_number(only: str, numbers: list[str]) -> None:
    assert [row.number for row in chosen(only)] == numbers


@pytest.mark.parametrize("home", HomeName)
def test_each_row_has_on_each_home_a_twin_or_a_reason_why_it_has_none(home: HomeName) -> None:
    numbers = {row.number for row in ALL}
    assert {*TWINS[home], *ABSENT[home]} <= numbers
    assert not set(TWINS[home]) & set(ABSENT[home])
    assert all(twin.number == number for number, twin in TWINS[home].items())
    played = [found for row in ALL if not isinstance(found := on_home(home, row), str)]
    assert len(played) == len(ALL) - len(ABSENT[home])


def test_on_a_folder_the_table_is_as_it_was() -> None:
    assert [row for row in ALL if on_home(HomeName.FOLDER, row) is row] == [*ROWS, UPLOADS, *STATE_ROWS]


def test_a_number_that_no_row_has_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"no row 99; there are 1\.1, .* 31"):
        chosen("6,99")


def test_a_fault_is_timed_by_its_renaming_when_the_process_was_killed_before_it_could_tell(tmp_path: Path) -> None:
    armed, done = tmp_path / "armed", tmp_path / "armed.done"
    assert happened_at(done) is None
    armed.write_text("kill")
    os.utime(armed, (1_000.0, 1_000.0))
    before = time.time() - COARSE_S
    armed.rename(done)
    assert before <= (happened_at(done) or 0.0) <= time.time()


def test_a_soak_tells_what_has_grown() -> None:
    first, last = {"asr: open files": 20.0, "messages left": 3.0, AGE: 60.0}, {"asr: open files": 40.0, AGE: 600.0}
    found = report([first, first, first, first, {**first, **last}, {**first, **last}])
    assert found == ["asr: open files has grown from 20 to 40"]
