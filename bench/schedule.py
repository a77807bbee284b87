"""The pipeline on paper: a trace of service times, the shortest makespan possible, and an ideal first-come schedule.

Nothing is run here. The pipeline is a hybrid flow shop: every video passes all stages in order, and a stage has so many
slots, each with one video at a time.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """How the stages are run."""

    STREAMING = "streaming"
    BARRIER = "barrier"
    SINGLE_PHASE = "single-phase"


@dataclass(frozen=True)
class StageTimes:
    """A stage: its slots, and the seconds that each video takes in it."""

    name: str
    slots: int
    times_s: tuple[float, ...]


@dataclass(frozen=True)
class Trace:
    """The service times of a number of videos."""

    stages: tuple[StageTimes, ...]

    @property
    def videos(self) -> int:
        """Return how many videos there are."""
        return len(self.stages[0].times_s)

    @property
    def bottleneck(self) -> int:
        """Return the index of the stage with the most work for each slot."""
        loads = [sum(stage.times_s) / stage.slots for stage in self.stages]
        return loads.index(max(loads))

    def totals_s(self) -> list[float]:
        """Return what each video takes in all stages together."""
        return [sum(times) for times in zip(*(stage.times_s for stage in self.stages), strict=True)]


@dataclass(frozen=True)
class Plan:
    """When the first and the last video end, in a schedule that was computed."""

    first_s: float
    last_s: float


def sample(stages: list[tuple[str, int, float]], videos: int, noise: float, seed: int) -> Trace:
    """Return a trace for stages of (name, slots, mean seconds), with service times spread evenly by +- `noise`."""
    rng = random.Random(seed)
    return Trace(
        tuple(
            StageTimes(name, slots, tuple(mean_s * rng.uniform(1 - noise, 1 + noise) for _ in range(videos)))
            for name, slots, mean_s in stages
        )
    )


def stretched(trace: Trace, factor: float, handover_s: float) -> Trace:
    """Return a trace with all times multiplied, and then a fixed hand-over added to each time of the bottleneck."""
    return Trace(
        tuple(
            StageTimes(
                stage.name,
                stage.slots,
                tuple(time_s * factor + handover_s * (index == trace.bottleneck) for time_s in stage.times_s),
            )
            for index, stage in enumerate(trace.stages)
        )
    )


def lower_bound_s(trace: Trace) -> float:
    """Return a makespan that no schedule can beat.

    max( max over stages k [ min head + load of k / slots of k + min tail ], max over videos [ time in all stages ] ),
    where the head (tail) of a video is its time in the stages before (after) k.
    """
    columns: list[tuple[float, ...]] = list(zip(*(stage.times_s for stage in trace.stages), strict=True))
    through_stage = [
        min(sum(column[:index]) for column in columns)
        + sum(stage.times_s) / stage.slots
        + min(sum(column[index + 1 :]) for column in columns)
        for index, stage in enumerate(trace.stages)
    ]
    return max(*through_stage, *trace.totals_s())


def plan(trace: Trace, mode: Mode) -> Plan:
    """Return the ideal first-come-first-served schedule of a mode: no queue, no hand-over, no noise of a machine."""
    if mode is Mode.SINGLE_PHASE:
        slots = trace.stages[trace.bottleneck].slots
        trace = Trace((StageTimes("all", slots, tuple(trace.totals_s())),))
    arrivals = [0.0] * trace.videos
    for stage in trace.stages:
        if mode is Mode.BARRIER:
            arrivals = [max(arrivals)] * len(arrivals)
        arrivals = _serve(stage, arrivals)
    return Plan(min(arrivals), max(arrivals))


def _serve(stage: StageTimes, arrivals: list[float]) -> list[float]:
    """Return when each video leaves a stage that takes them in the order of their arrival."""
    free = [0.0] * stage.slots
    leaves = list(arrivals)
    for video in sorted(range(len(arrivals)), key=lambda index: (arrivals[index], index)):
        begins = max(arrivals[video], heapq.heappop(free))
        leaves[video] = begins + stage.times_s[video]
        heapq.heappush(free, leaves[video])
    return leaves
