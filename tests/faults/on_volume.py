"""Faults of the volume, and of the disks of workers: one function for a round of each."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from ingest.shared.errors import Code
from ingest.shared.messages import EventKind
from tests.faults.homes import content_of, replace_content
from tests.faults.trials import Trial, events_of, under_load, until_postponed

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ingest.shared.artifacts.home import Home
    from ingest.shared.artifacts.volume import Kind

NOTICED_S = 10.0
AFTERWARDS_S = 3.0
READ_BY: dict[Kind, str] = {"audio": "asr", "transcript": "embedder"}


def volume_says(actions: tuple[str, ...], points: tuple[str, ...]) -> Callable[[Trial], None]:
    """Return a round in which a step of writing a file or the crash journal is refused, by one of these actions."""

    def play(trial: Trial) -> None:
        point, action = trial.rng.choice(points), trial.rng.choice(actions)
        trial.fleet.arm(point, action)
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
        with harmed(fleet.disk):
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
        harm(fleet.volume.home, manifest.artifact.path)
    trial.harm()
    fleet.send(signal.SIGCONT, reader)
    trial.recover(list(videos))
    for video, (harm, code) in videos.items():
        told = {event.code for event in events_of(fleet, [video]) if event.kind is EventKind.RETRYING}
        trial.demand(told == {code}, f"{kind}, {harm.__name__}: code {told or 'none'} was reported, not {code}")


def vanished(home: Home, name: str) -> None:
    """Delete a file."""
    home.remove(name)


def shortened(home: Home, name: str) -> None:
    """Replace a file by one of another size."""
    replace_content(home, name, bytes(100))


def flipped(home: Home, name: str) -> None:
    """Flip one bit of a file."""
    data = bytearray(content_of(home, name))
    data[len(data) // 2] ^= 1
    replace_content(home, name, bytes(data))


HARMS: dict[Callable[[Home, str], None], Code] = {
    vanished: Code.ARTIFACT_MISSING,
    shortened: Code.CHECKSUM_MISMATCH,
    flipped: Code.CHECKSUM_MISMATCH,
}
