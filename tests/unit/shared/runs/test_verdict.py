"""When a run is settled, and what became of its recordings."""

from __future__ import annotations

import pytest

from ingest.shared.runs.verdict import Fate, Standing, fate, has_failures, verdict
from ingest.shared.video_state import ENDED, VideoState


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        pytest.param(None, None, id="not in the ledger yet"),
        pytest.param(Standing(1, VideoState.INDEXED), None, id="an older run of it has ended"),
        *(pytest.param(Standing(2, state), Fate(state), id=state) for state in sorted(ENDED)),
        *(pytest.param(Standing(2, state), None, id=state) for state in VideoState if state not in ENDED),
        *(pytest.param(Standing(3, state), Fate.REPEATED, id=f"a newer one is {state}") for state in VideoState),
    ],
)
def test_the_fate_of_a_recording_in_its_second_generation(standing: Standing | None, expected: Fate | None) -> None:
    assert fate(2, standing) == expected


def test_one_open_recording_keeps_the_run_open_unless_it_is_lost() -> None:
    videos = {"aaaaaaaaaaa": 1, "bbbbbbbbbbb": 1, "ccccccccccc": 1}
    standings = {
        "aaaaaaaaaaa": Standing(1, VideoState.INDEXED),
        "bbbbbbbbbbb": Standing(1, VideoState.RUNNING),
        "ccccccccccc": Standing(1, VideoState.INDEXED),
    }
    assert verdict(videos, standings, open_are_lost=False) is None
    found = verdict(videos, standings, open_are_lost=True)
    assert found == {Fate.INDEXED: 2, Fate.LOST: 1}
    assert has_failures(found)


def test_a_run_without_recordings_is_settled() -> None:
    found = verdict({}, {}, open_are_lost=False)
    assert found == {}
    assert not has_failures(found or ())


def test_skipped_and_repeated_recordings_are_no_failures() -> None:
    assert not has_failures([Fate.INDEXED, Fate.SKIPPED, Fate.REPEATED])
    assert has_failures([Fate.INDEXED, Fate.FAILED])
