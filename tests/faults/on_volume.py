"""Faults of the shared volume: one function for a round of each."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.shared.errors import Code
from ingest.shared.messages import EventKind
from tests.faults.trials import Trial, events_of, under_load, until_postponed
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ingest.shared.artifacts.volume import Kind

NOTICED_S = 10.0
AFTERWARDS_S = 3.0
READ_BY: dict[Kind, str] = {"audio": "asr", "transcript": "embedder"}


def volume_says(names: tuple[str, ...], points: tuple[str, ...]) -> Callable[[Trial], None]:
    """Return a round in which the operating system refuses a step of writing a file or the crash journal."""

    def play(trial: Trial) -> None:
        point, name = trial.rng.choice(points), trial.rng.choice(names)
        trial.fleet.arm(point, f"errno:{name}")
        ids = trial.fleet.submit(3)
        trial.harm()
        trial.recover_uncharged(ids)
        trial.demand(trial.fleet.disarm(point), f"{point} was never reached")

    return play


def volume_harmed(harmed: Callable[[Path], AbstractContextManager[None]], code: Code) -> Callable[[Trial], None]:
    """Return a round in which the volume accepts no writes until an attempt is postponed, and some time longer."""

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
    """Files vanish or change between two stages, each in its own way: this is detected, and they are made once more."""
    for kind, reader in READ_BY.items():
        _harm_files(trial, kind, reader)


def _harm_files(trial: Trial, kind: Kind, reader: str) -> None:
    fleet = trial.fleet
    fleet.send(signal.SIGSTOP, reader)
    videos = dict(zip(fleet.submit(len(HARMS)), HARMS.items(), strict=True))
    fleet.until(lambda: all(fleet.volume.manifest(video, kind) is not None for video in videos))
    for video, (harm, _) in videos.items():
        manifest = fleet.volume.manifest(video, kind)
        assert manifest is not None
        harm(on_disk(fleet.volume).resolve(manifest.artifact.path))
    trial.harm()
    fleet.send(signal.SIGCONT, reader)
    trial.recover(list(videos))
    for video, (harm, code) in videos.items():
        told = {event.code for event in events_of(fleet, [video]) if event.kind is EventKind.RETRYING}
        trial.demand(told == {code}, f"{kind}, {harm.__name__}: code {told or 'none'} was reported, not {code}")


def shortened(path: Path) -> None:
    """Replace a file by one of another size."""
    path.write_bytes(bytes(100))


def flipped(path: Path) -> None:
    """Flip one bit of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


HARMS: dict[Callable[[Path], None], Code] = {
    Path.unlink: Code.ARTIFACT_MISSING,
    shortened: Code.CHECKSUM_MISMATCH,
    flipped: Code.CHECKSUM_MISMATCH,
}
