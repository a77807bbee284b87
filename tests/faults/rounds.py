"""A round: a fault is played, all work ends, the oracle checks the state, and the volume is swept."""

from __future__ import annotations

import shutil
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from ingest.cli.upkeep.purge import sweep
from ingest.cli.upkeep.retention import Limits
from ingest.embedder.tables.catalog import Catalog
from tests.faults.homes import HomeName
from tests.faults.oracle import Oracle, scratches, unfinished_writes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.trials import Trial

LAST_WORDS_S = 10.0  # a worker that was frozen may publish its last events late
JUDGE_AGAIN_S = 0.5
AGE_KEPT = timedelta(days=1)
AT_ONCE = timedelta(0)  # all work has ended: no worker writes to an unfinished file


def play_round(play: Callable[[Trial], None], trial: Trial, oracle: Oracle) -> list[str]:
    """Play a round and return the broken promises."""
    oracle.begin()
    trial.repeats.clear()
    before = len(trial.wrong)
    try:
        play(trial)
        trial.come_to_rest()
    except TimeoutError as error:
        trial.wrong.append(str(error))
    trial.wrong += verdict(trial, oracle)
    tidy(trial)
    return trial.wrong[before:]


def verdict(trial: Trial, oracle: Oracle) -> list[str]:
    """Return the verdict of the oracle, after time for late events."""
    deadline = time.monotonic() + LAST_WORDS_S
    while (wrong := oracle.judge(trial.failures, trial.repeats)) and time.monotonic() < deadline:
        trial.fleet.let_pass(JUDGE_AGAIN_S)
    return wrong


def tidy(trial: Trial) -> None:
    """Remove the unfinished files of killed workers from the volume, as `ingest purge` does."""
    fleet = trial.fleet
    limits = Limits(AGE_KEPT, AT_ONCE, AT_ONCE, 0.0)
    for scratch in scratches(fleet):
        sweep(fleet.volume, scratch, Catalog(fleet.archive).videos, limits, delete=True)
        if fleet.home is not HomeName.FOLDER:  # it goes with its machine
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
    left = unfinished_writes(fleet)
    trial.demand(not left, f"I4: the sweep has left {len(left)} unfinished writes")
