"""What a round of a row has at hand: the trial, its notes, and the questions that rows ask of a fleet."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.shared.bus import EVENT_STREAM, LATER_STREAM, LEDGER, WORK_STREAM
from tests.faults.fleet import ACK_WAIT_S, Fleet

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from services.shared.messages import Event

RECOVERY_S = ACK_WAIT_S + 10.0
LOAD = 24
LOAD_WORK_S = 1.5
LOAD_S = 45.0  # with the rest of the load, which is work as usual


@dataclass
class Trial:
    """What a row has at hand, and what it notes: how long recovery took, which videos must fail, how many faults."""

    fleet: Fleet
    rng: random.Random
    recoveries_s: list[float] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    faults: int = 0
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def harm(self) -> None:
        """Note that a fault was injected."""
        self.faults += 1

    def recover(self, ids: list[str], since: float | None = None, limit_s: float = 300.0) -> None:
        """Wait for videos, and note how long it took since the fault."""
        began = since or time.monotonic()
        self.fleet.wait(ids, limit_s)
        self.recoveries_s.append(time.monotonic() - began)

    def recover_uncharged(self, ids: list[str], since: float | None = None) -> None:
        """Wait for videos that a fault of the environment has held up; it may not have cost them an attempt."""
        self.recover(ids, since)
        self.demand(attempts(self.fleet, ids) == {1}, "a fault of the environment was charged")

    def demand(self, condition: bool, what: str) -> None:  # noqa: FBT001 (reads like an assertion)
        """Note what is not as promised."""
        if not condition:
            self.wrong.append(what)


@dataclass(frozen=True)
class Row:
    """A row: its number in the table, the fault, the promise, one round of it, and the longest recovery promised."""

    number: str
    fault: str
    promise: str
    play: Callable[[Trial], None]
    limit_s: float | None = RECOVERY_S
    work_s: float = 0.0
    small_disk: str = ""  # the server ("nats", "postgres") that has a small disk of its own
    own_clock: bool = False  # the workers' clock can be put forward and back


def under_load(trial: Trial) -> list[str]:
    """Submit many videos, and return at a moment at random when some are on their way."""
    fleet = trial.fleet
    fleet.send(signal.SIGSTOP)  # all of the load is there before any of it is done
    ids = fleet.submit(LOAD)
    fleet.send(signal.SIGCONT)
    fleet.let_pass(trial.rng.uniform(0.2, 1.5))
    done = [video for video, (state, _, _) in fleet.states(ids).items() if state == "indexed"]
    trial.demand(len(done) < len(ids), "there was no load any more")
    return ids


def events_of(fleet: Fleet, ids: list[str]) -> list[Event]:
    return [event for _, event in fleet.events() if event.video_id in ids]


def attempts(fleet: Fleet, ids: list[str]) -> set[int]:
    return {event.attempt for event in events_of(fleet, ids)}


def is_folded(fleet: Fleet) -> bool:
    lag = fleet.bus.lag(LEDGER, EVENT_STREAM)
    return not lag.waiting and not lag.in_hand


def written_at(fleet: Fleet, video_id: str) -> list[float]:
    """Return when the files of a video were written."""
    return sorted(path.stat().st_mtime for path in fleet.volume.folder(video_id).glob("audio-*"))


def is_quiet(fleet: Fleet) -> bool:
    return not any(fleet.bus.stored(stream) for stream in (WORK_STREAM, LATER_STREAM))


def send_to(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)
