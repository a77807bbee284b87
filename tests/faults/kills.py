"""Row 1: workers are killed at named points, in waves of one point for each thread that has them.

Any recording reaches most points; a recording that is submitted with it reaches each of the others. Every wave meets a
new recording and new runs of two archived ones, so that workers are killed while they replace rows and files.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING

from ingest.shared.broker.topology import DEAD_STREAM, INPUT_OF
from ingest.shared.errors import Code
from ingest.shared.messages import Stage
from tests.faults.points import BESIDE, MOMENTS
from tests.faults.recordings import REFUSAL, Flaw
from tests.faults.trials import ENDS, STAGES_OF, Trial, demand_letters, events_of, is_folded, is_quiet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.faults.fleet import Fleet

TRIES = 3
NOTICED_S = 30.0
UNREADABLE = b"[]"
FLAWS = {
    "sent_later": Flaw.LATE,
    "manifest_discarded": Flaw.TORN,
    "sent_back": Flaw.TORN,
    "buried": Flaw.BAD,
    "told_failed": Flaw.BAD,
}


def waves() -> list[tuple[str, ...]]:
    """Return all points in groups of one for each thread: services are different processes."""
    most = max(map(len, MOMENTS.values()))
    straight = [
        tuple(f"{thread}.{moments[number % len(moments)]}" for thread, moments in MOMENTS.items())
        for number in range(most)
    ]
    beside = zip_longest(*([f"{thread}.{moment}" for moment in moments] for thread, moments in BESIDE.items()))
    return [*straight, *(tuple(point for point in wave if point) for wave in beside)]


def stage_of(point: str) -> Stage | None:
    """Return the stage of a point's thread; None for the ledger, which serves all stages."""
    thread = point.split(".", maxsplit=1)[0].removeprefix("waker-")
    return None if thread == "ledger" else Stage(thread)


def service_of(point: str) -> str:
    """Return the service whose worker reaches a point."""
    stage = stage_of(point) or Stage.EMBEDDER
    return next(service for service, stages in STAGES_OF.items() if stage in stages)


@dataclass
class Submissions:
    """Submissions of a round: the time of each video (seconds since 1970), and the dead letters that must follow."""

    at: dict[str, float] = field(default_factory=dict)
    letters: list[tuple[str | None, str]] = field(default_factory=list)

    def add(self, trial: Trial, points: Iterable[str]) -> list[str]:
        """Submit a new recording, and recordings for the points that not every recording reaches."""
        now = time.time()
        ids = trial.fleet.submit(1)
        for stage, flaw in filter(None, map(_way, points)):
            if flaw is None:
                trial.fleet.bus.publish(INPUT_OF[stage], UNREADABLE, f"unreadable:{stage}:{time.time_ns()}")
                self.letters.append((None, Code.BAD_MESSAGE))
                continue
            ids += trial.fleet.submit(1, flaw.at(stage))
            if flaw is Flaw.BAD:
                trial.failures[ids[-1]] = REFUSAL
                self.letters.append((ids[-1], REFUSAL))
        self.at |= dict.fromkeys(ids, now)
        return ids

    def add_again(self, fleet: Fleet) -> None:
        """Submit a new run of the first two videos that reuses no file."""
        now = time.time()
        for video in list(fleet.generations)[:2]:
            fleet.ask(video, fleet.generations[video] + 1, force=True)
            self.at[video] = now


def killed_at(points: tuple[str, ...]) -> Callable[[Trial], None]:
    """Return a round in which a worker is killed at each of these points, all of different threads."""

    def play(trial: Trial) -> None:
        fleet = trial.fleet
        letters_before = fleet.bus.position(DEAD_STREAM)[1]
        for point in points:
            fleet.arm(point)
            trial.harm(
                service_of(point), times=2 if point.endswith(".sent_later") else 1
            )  # the message is in two queues then
            if _flaw(point) is Flaw.TORN:
                trial.harm()  # every stage repeats its work for a file that is requested again
        asked = Submissions()
        asked.add_again(fleet)
        asked.add(trial, points)
        trial.recoveries_s += [_heard_after(fleet, point) for point in points if stage_of(point) is None]
        fleet.wait(list(asked.at))
        trial.recoveries_s += [_refused_after(fleet, point) for point in points if point.endswith(".refused")]
        for _ in range(TRIES):  # a kill at one point may come before the video has reached another of the same process
            missed = [point for point in points if fleet.happened_at(point) is None]
            if missed:
                fleet.wait(asked.add(trial, missed))
        trial.come_to_rest()  # the table may show the end of a video before its message is acked
        for point in points:
            _measure(trial, point, asked.at)
        demand_letters(trial, asked.letters, letters_before)

    return play


def _way(point: str) -> tuple[Stage, Flaw | None] | None:
    """Return what reaches a point: a recording with a flaw in a stage, or (no flaw) a message that is unreadable.

    None where any recording reaches it.
    """
    stage = stage_of(point)
    if stage is None:
        return None
    if point.endswith(".refused"):
        return stage, None
    flaw = _flaw(point)
    return (stage, flaw) if flaw else None


def _flaw(point: str) -> Flaw | None:
    """Return the flaw of a recording that reaches a point; None where any recording does."""
    return Flaw.LATE if point.startswith("waker-") else FLAWS.get(point.split(".")[1])


def _heard_after(fleet: Fleet, point: str) -> float:
    """Return how long after a kill of the ledger the table had all events."""
    happened = _noticed(fleet, point)
    fleet.until(lambda: is_folded(fleet))
    return time.time() - happened


def _refused_after(fleet: Fleet, point: str) -> float:
    """Return how long after a kill over an unreadable message the queues were empty."""
    happened = _noticed(fleet, point)
    fleet.until(lambda: is_quiet(fleet))
    return time.time() - happened


def _noticed(fleet: Fleet, point: str) -> float:
    """Wait for a kill, and return its time (seconds since 1970)."""
    fleet.until(lambda: fleet.happened_at(point) is not None, NOTICED_S, f"{point} was never reached")
    return fleet.happened_at(point) or 0.0


def _measure(trial: Trial, point: str, asked: dict[str, float]) -> None:
    """Note how long after a kill the last video submitted before it was through the stage."""
    happened = trial.fleet.happened_at(point)
    if not trial.fleet.disarm(point) or happened is None:
        trial.wrong.append(f"{point} was never reached")
        return
    stage = stage_of(point)
    if stage is None:
        return
    ids = [video for video, at in asked.items() if at < happened]
    told = (event for event in events_of(trial.fleet, ids) if event.stage is stage and event.kind in ENDS)
    ends = [event.at.timestamp() - happened for event in told]
    trial.demand(bool(ends), f"no video was through {stage} after the kill at {point}")
    trial.recoveries_s.append(max([0.0, *ends]))
