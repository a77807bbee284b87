"""Faults of worker processes: one function for a round of each."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from ingest.shared.errors import Code
from ingest.shared.messages import EventKind, Stage
from tests.faults.kills import service_of
from tests.faults.trials import Trial, events_of, under_load, until_postponed

if TYPE_CHECKING:
    from tests.faults.fleet import Fleet

HOUR_S = 3600
NEARLY_S = 120.0  # from an event to its check, and other errors of a clock
END_S = 10.0  # the grace period of 2 s, and an orderly end after it


def all_killed(trial: Trial) -> None:
    """Every worker is killed under load."""
    ids = under_load(trial)
    since = time.monotonic()
    trial.fleet.send(signal.SIGKILL)
    trial.harm()
    trial.recover(ids, since)


def frozen(trial: Trial) -> None:
    """A worker is frozen for longer than the acknowledgement time, then continues: another worker has done the work."""
    fleet = trial.fleet
    point = trial.rng.choice(["asr.begun", "download.renamed", "embedder.begun", "check.begun"])
    fleet.arm(point, "stop")
    (video,) = fleet.submit(1)
    fleet.until(lambda: fleet.happened_at(point) is not None)
    since = time.monotonic()
    trial.harm(service_of(point))
    trial.recover([video], since)
    fleet.send(signal.SIGCONT)


def frozen_before_commit(trial: Trial) -> None:
    """A worker is frozen before it stores rows, while a newer run stores its own: the fence refuses the late worker."""
    fleet = trial.fleet
    fleet.arm("embedder.before_replace", "stop")
    (video,) = fleet.submit(1)
    fleet.until(lambda: fleet.happened_at("embedder.before_replace") is not None)
    trial.harm("embedder")
    fleet.ask(video, 2, force=True)
    trial.recover([video])
    fleet.send(signal.SIGCONT)
    fleet.until(lambda: _is_refused(fleet, video), 20.0, "the fence has refused no worker")


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
    trial.harm(service_of(point))
    trial.recover(ids, since)


def drained(trial: Trial) -> None:
    """A worker gets SIGTERM during work that takes longer than its grace period: nak'ed, no attempt counted."""
    ids = _in_download(trial)
    since = time.monotonic()
    _drain(trial)
    trial.recover_uncharged(ids, since)


def drained_without_broker(trial: Trial) -> None:
    """The same while the broker is unreachable: the messages are redelivered later, no attempt counted."""
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
    """The workers' clock jumps by an hour, and back: no lease and no deadline depends on it."""
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


def clock_stepped_before_a_store(trial: Trial) -> None:
    """The workers' clock jumps by an hour: a store refuses what is signed with it, and all work waits for the clock."""
    fleet = trial.fleet
    ids = under_load(trial)
    fleet.put_clock(trial.rng.choice([HOUR_S, -HOUR_S]))
    trial.harm()
    until_postponed(fleet, ids, Code.ENV_VOLUME, END_S)
    fleet.put_clock(0)
    trial.recover_uncharged(ids)


def _latest_off_s(fleet: Fleet, ids: list[str]) -> float:
    """Return how far the last event of videos that have just ended is from the true time."""
    return events_of(fleet, ids)[-1].at.timestamp() - time.time()
