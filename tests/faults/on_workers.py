"""Faults of worker processes: one function for a round of each."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from services.shared.errors import Code
from services.shared.messages import EventKind, Stage
from tests.faults.points import MOMENTS
from tests.faults.trials import STAGES_OF, Trial, events_of, under_load

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.fleet import Fleet

TRIES = 3
HOUR_S = 3600
NEARLY_S = 120.0  # between an event and the look at it, and what a clock may be wrong otherwise
END_S = 10.0  # the grace of 2 s, and what an orderly end may take beside it


def killed_at(points: tuple[str, ...]) -> Callable[[Trial], None]:
    """Return a round in which a worker is killed at each of these points, which are of different threads.

    Two of the videos are in the archive already: what is killed there replaces rows and files.
    """

    def play(trial: Trial) -> None:
        fleet = trial.fleet
        for point in points:
            fleet.arm(point)
        asked = dict.fromkeys([*_ask_again(fleet), *fleet.submit(1), *fleet.submit(1, "again")], time.time())
        fleet.wait(list(asked))
        for _ in range(TRIES):  # a kill at one point may come before the video has reached another of the same process
            if not all(fleet.happened_at(point) for point in points):
                more = dict.fromkeys(fleet.submit(1, "again"), time.time())
                fleet.wait(list(more))
                asked |= more
        for point in points:
            trial.harm(_room(point))
            happened = fleet.happened_at(point)
            if not fleet.disarm(point) or happened is None:
                trial.wrong.append(f"{point} was never reached")
                continue
            ids = [video for video, at in asked.items() if at < happened]
            trial.recoveries_s.append(_finished_after(fleet, point, ids, happened))

    return play


def _ask_again(fleet: Fleet) -> list[str]:
    """Ask for a new run of the first two videos, from the very start."""
    ids = list(fleet.generations)[:2]
    for video in ids:
        fleet.ask(video, fleet.generations[video] + 1, force=True)
    return ids


def _thread_stage(point: str) -> str:
    return point.split(".", maxsplit=1)[0].removeprefix("waker-").replace("ledger", Stage.EMBEDDER)


def _room(point: str) -> str:
    return next(room for room, stages in STAGES_OF.items() if _thread_stage(point) in stages)


def _finished_after(fleet: Fleet, point: str, ids: list[str], happened: float) -> float:
    """Return how long after a kill the last of these videos was through the stage."""
    ends = [
        event.at.timestamp() - happened
        for event in events_of(fleet, ids)
        if event.stage == _thread_stage(point) and event.kind in (EventKind.FINISHED, EventKind.INDEXED)
    ]
    return max([0.0, *ends])


def waves() -> list[tuple[str, ...]]:
    """Return all points in groups of one of each thread: the rooms are different processes, and do not mix."""
    most = max(map(len, MOMENTS.values()))
    return [
        tuple(f"{thread}.{moments[number % len(moments)]}" for thread, moments in MOMENTS.items())
        for number in range(most)
    ]


def all_killed(trial: Trial) -> None:
    """Every worker is killed while there is much to do."""
    ids = under_load(trial)
    since = time.monotonic()
    trial.fleet.send(signal.SIGKILL)
    trial.harm()
    trial.recover(ids, since)


def frozen(trial: Trial) -> None:
    """A worker stops inside of its work for longer than it may, and then goes on: another has done it."""
    fleet = trial.fleet
    point = trial.rng.choice(["asr.begun", "download.renamed", "embedder.begun", "check.begun"])
    fleet.arm(point, "stop")
    (video,) = fleet.submit(1)
    fleet.until(lambda: fleet.happened_at(point) is not None)
    since = time.monotonic()
    trial.harm(_room(point))
    trial.recover([video], since)
    fleet.send(signal.SIGCONT)


def frozen_before_commit(trial: Trial) -> None:
    """The same just before rows are stored, while a newer run of the video stores its own: the late one is refused."""
    fleet = trial.fleet
    fleet.arm("embedder.before_replace", "stop")
    (video,) = fleet.submit(1)
    fleet.until(lambda: fleet.happened_at("embedder.before_replace") is not None)
    trial.harm("embedder")
    fleet.ask(video, 2, force=True)
    trial.recover([video])
    fleet.send(signal.SIGCONT)
    fleet.until(lambda: _is_refused(fleet, video), 20.0, "the fence has refused nobody")


def _is_refused(fleet: Fleet, video: str) -> bool:
    late = [event for event in events_of(fleet, [video]) if event.code is Code.SUPERSEDED]
    return any(event.kind is EventKind.FINISHED and event.generation == 1 for event in late)


def hung(trial: Trial) -> None:
    """A native call never returns and holds the interpreter: the watchdog ends the process."""
    fleet = trial.fleet
    point = trial.rng.choice(["check.begun", "download.begun", "asr.begun"])
    fleet.arm(point, "hang")
    ids = fleet.submit(2)
    fleet.until(lambda: fleet.happened_at(point) is not None)
    since = time.monotonic()
    trial.harm(_room(point))
    trial.recover(ids, since)


def drained(trial: Trial) -> None:
    """A worker is asked to end with work in hand that takes longer than its grace: handed back, uncounted."""
    ids = _in_download(trial)
    since = time.monotonic()
    _drain(trial)
    trial.recover_uncharged(ids, since)


def drained_without_broker(trial: Trial) -> None:
    """The same while there is nobody to hand anything back to."""
    ids = _in_download(trial)
    with trial.fleet.servers.broker_away():
        since = time.monotonic()
        _drain(trial)
    trial.recover_uncharged(ids, since)


def _in_download(trial: Trial) -> list[str]:
    fleet = trial.fleet
    ids = fleet.submit(2)
    fleet.until(lambda: any(event.stage is Stage.DOWNLOAD for event in events_of(fleet, ids)))
    return ids


def _drain(trial: Trial) -> None:
    fleet = trial.fleet
    downloaders = fleet.of("downloader")
    before = [len(worker.statuses) for worker in downloaders]
    fleet.send(signal.SIGTERM, "downloader")
    trial.harm()
    fleet.until(
        lambda: all(len(worker.statuses) > number for worker, number in zip(downloaders, before, strict=True)),
        END_S,
        "drained workers do not end",
    )
    trial.demand({worker.statuses[-1] for worker in downloaders} == {0}, "a drained worker ended badly")


def clock_stepped(trial: Trial) -> None:
    """The workers' clock jumps by an hour, and back again: nothing that matters is measured by it."""
    fleet = trial.fleet
    ids = under_load(trial)
    step_s = trial.rng.choice([HOUR_S, -HOUR_S])
    fleet.put_clock(step_s)
    trial.harm()
    trial.recover_uncharged(ids)
    trial.demand(abs(_latest_off_s(fleet, ids) - step_s) < NEARLY_S, "the workers' clock has not jumped")
    fleet.put_clock(0)
    more = fleet.submit(4)
    trial.recover_uncharged(more)
    trial.demand(abs(_latest_off_s(fleet, more)) < NEARLY_S, "the workers' clock has not jumped back")


def _latest_off_s(fleet: Fleet, ids: list[str]) -> float:
    """Return how far from the true time the last event about videos was that have just come to their end."""
    return events_of(fleet, ids)[-1].at.timestamp() - time.time()
