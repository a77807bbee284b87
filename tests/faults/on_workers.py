"""Faults of workers, recordings and messages: one function for a round of each."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING

from services.shared.bus import DEAD_STREAM, INPUT_OF, REQUESTED
from services.shared.errors import Code
from services.shared.messages import EventKind, Stage, VideoRequested, encode
from services.shared.service import connect
from tests.faults.fleet import SOURCE, Fleet
from tests.faults.points import MOMENTS
from tests.faults.trials import Trial, attempts, events_of, is_quiet, under_load

if TYPE_CHECKING:
    from collections.abc import Callable

TRIES = 3


def killed_at(points: tuple[str, ...]) -> Callable[[Trial], None]:
    """Return a round in which a worker is killed at each of these points, which are of different threads."""

    def play(trial: Trial) -> None:
        fleet = trial.fleet
        for point in points:
            fleet.arm(point)
        asked = dict.fromkeys([*fleet.submit(3), *fleet.submit(1, "again")], time.time())
        fleet.wait(list(asked))
        for _ in range(TRIES):  # a kill at one point may come before the video has reached another of the same process
            if not all(fleet.happened_at(point) for point in points):
                more = dict.fromkeys(fleet.submit(1, "again"), time.time())
                fleet.wait(list(more))
                asked |= more
        for point in points:
            if not fleet.disarm(point):
                trial.wrong.append(f"{point} was never reached")
                continue
            trial.harm()
            happened = fleet.happened_at(point)
            assert happened is not None
            ids = [video for video, at in asked.items() if at < happened]
            trial.recoveries_s.append(_finished_after(fleet, point, ids, happened))

    return play


def _finished_after(fleet: Fleet, point: str, ids: list[str], happened: float) -> float:
    """Return how long after a kill the last of these videos was through the stage."""
    stage = point.split(".", maxsplit=1)[0].removeprefix("waker-").replace("ledger", Stage.EMBEDDER)
    ends = [
        event.at.timestamp() - happened
        for _, event in fleet.events()
        if event.video_id in ids and event.stage == stage and event.kind in (EventKind.FINISHED, EventKind.INDEXED)
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
    trial.harm()
    trial.recover([video], since)
    fleet.send(signal.SIGCONT)
    fleet.until(lambda: is_quiet(fleet))


def frozen_before_commit(trial: Trial) -> None:
    """The same just before the rows are committed, while a newer run of the video stores its own: the fence holds."""
    fleet = trial.fleet
    fleet.arm("embedder.begun", "stop")
    (video,) = fleet.submit(1)
    fleet.until(lambda: fleet.happened_at("embedder.begun") is not None)
    trial.harm()
    fleet.ask(video, 2, force=True)
    trial.recover([video])
    fleet.send(signal.SIGCONT)
    fleet.until(lambda: is_quiet(fleet))


def hung(trial: Trial) -> None:
    """A native call never returns and holds the interpreter: the watchdog ends the process."""
    fleet = trial.fleet
    point = trial.rng.choice(["check.begun", "download.begun", "asr.begun"])
    fleet.arm(point, "hang")
    ids = fleet.submit(2)
    fleet.until(lambda: fleet.happened_at(point) is not None)
    since = time.monotonic()
    trial.harm()
    trial.recover(ids, since)


def drained(trial: Trial) -> None:
    """A worker is asked to end with work in hand that takes longer than its grace: handed back, uncounted."""
    fleet = trial.fleet
    ids = fleet.submit(2)
    fleet.until(lambda: any(event.stage is Stage.DOWNLOAD for event in events_of(fleet, ids)))
    before = sum(len(worker.statuses) for worker in fleet.workers)
    since = time.monotonic()
    fleet.send(signal.SIGTERM, "downloader")
    trial.harm()
    fleet.until(lambda: sum(len(worker.statuses) for worker in fleet.workers) >= before + 2)
    trial.demand({worker.statuses[-1] for worker in fleet.of("downloader")} == {0}, "a drained worker ended badly")
    trial.recover_uncharged(ids, since)


def clock_stepped(trial: Trial) -> None:
    """The workers' clock jumps by an hour, and back again: nothing that matters is measured by it."""
    ids = under_load(trial)
    trial.fleet.put_clock(trial.rng.choice([3600, -3600]))
    trial.harm()
    trial.recover(ids)
    trial.fleet.put_clock(0)
    more = trial.fleet.submit(4)
    trial.fleet.wait(more)
    trial.demand(attempts(trial.fleet, [*ids, *more]) == {1}, "a jump of the clock was charged")


def poison_jobs(action: str) -> Callable[[Trial], None]:
    """Return a round in which a recording ends whatever worker touches it; its neighbours must not suffer."""

    def play(trial: Trial) -> None:
        fleet = trial.fleet
        (poison,) = fleet.submit(1, action)
        good = fleet.submit(4)
        trial.failures[poison] = Code.CRASH_LOOP if action != "bomb" else Code.UNEXPECTED
        trial.faults += 3
        trial.recover([poison, *good])

    return play


def published_twice(trial: Trial) -> None:
    fleet = trial.fleet
    ids = fleet.submit(4)
    for video_id in ids:
        message = VideoRequested(video_id=video_id, source=SOURCE)
        for copy in ("a", "b"):
            fleet.bus.publish(REQUESTED, encode(message), f"copy:{copy}:{video_id}")
    trial.faults += 2
    trial.recover(ids)
    fleet.until(lambda: is_quiet(fleet))


def poison_messages(trial: Trial) -> None:
    fleet = trial.fleet
    before = fleet.bus.stored(DEAD_STREAM)
    payloads = [b"\xff\xfe", b"[]", b"{}", b'{"schema_version": 0}', b'{"schema_version": 2}', b"x" * 1_200_000]
    for stage in Stage:
        for number, payload in enumerate(payloads):
            fleet.bus.publish(INPUT_OF[stage], payload, f"poison:{time.time_ns()}:{stage}:{number}")
    ids = fleet.submit(4)
    trial.recover(ids)
    wanted = before + len(payloads) * len(Stage)
    fleet.until(lambda: fleet.bus.stored(DEAD_STREAM) == wanted, 20.0, "not every poison message was buried")


def submitted_by_many(trial: Trial) -> None:
    """Fifty ask for one video at the same moment."""
    fleet = trial.fleet
    (video,) = fleet.submit(0) or [f"many{time.time_ns() % 10**7:07}"]
    message = VideoRequested(video_id=video, source=SOURCE)
    fleet.generations[video] = 1
    bus = connect(fleet.settings, "many")
    data = encode(message)
    threads = [
        threading.Thread(target=bus.publish, args=(REQUESTED, data, f"{REQUESTED}:{message.job}")) for _ in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bus.close()
    trial.recover([video])
    began = [event for event in events_of(fleet, [video]) if event.kind is EventKind.STARTED]
    trial.demand(len(began) == len(Stage), f"{len(began)} tries for one video in {len(Stage)} stages")
