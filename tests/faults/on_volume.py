"""Faults of the shared volume: one function for a round of each."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.faults.trials import Trial, under_load, until_postponed

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from services.shared.errors import Code

NOTICED_S = 10.0
AFTERWARDS_S = 3.0


def volume_says(names: tuple[str, ...], points: tuple[str, ...]) -> Callable[[Trial], None]:
    """Return a round in which the operating system refuses a step of writing a file, or a note of the journal."""

    def play(trial: Trial) -> None:
        point, name = trial.rng.choice(points), trial.rng.choice(names)
        trial.fleet.arm(point, f"errno:{name}")
        ids = trial.fleet.submit(3)
        trial.harm()
        trial.recover_uncharged(ids)
        trial.demand(trial.fleet.disarm(point), f"{point} was never reached")

    return play


def volume_harmed(harmed: Callable[[Path], AbstractContextManager[None]], code: Code) -> Callable[[Trial], None]:
    """Return a round in which the volume takes nothing, files or notes, until that was noticed and some time longer."""

    def play(trial: Trial) -> None:
        fleet = trial.fleet
        ids = under_load(trial)
        trial.harm()
        with harmed(fleet.settings.volume):
            until_postponed(fleet, ids, code, NOTICED_S)
            fleet.let_pass(AFTERWARDS_S)
        trial.recover_uncharged(ids)

    return play


def artifact_harmed(trial: Trial) -> None:
    """A file vanishes or changes between two stages: it is made once more."""
    fleet = trial.fleet
    fleet.send(signal.SIGSTOP, "asr")
    (video,) = fleet.submit(1)
    fleet.until(lambda: fleet.volume.manifest(video, "audio") is not None)
    manifest = fleet.volume.manifest(video, "audio")
    assert manifest is not None
    path = fleet.volume.resolve(manifest.artifact.path)
    if trial.rng.random() < 0.5:
        path.unlink()
    else:
        path.write_bytes(bytes(100))
    trial.harm()
    fleet.send(signal.SIGCONT, "asr")
    trial.recover([video])
