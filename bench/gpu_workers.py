"""Processes that share a card: each has its networks, and repeats a job for some seconds when all are ready."""

from __future__ import annotations

import multiprocessing
import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench import gpu_models
from bench.gpu_models import SEGMENTATION_S, WINDOW_S, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.gpu_counters import Activity, Card

RECOGNITION, ALL_STAGES = "recognition", "all stages"
READY_S = 300.0
FULL_S = 0.1  # until the end is looked for
AHEAD = 2  # batches whose features are made while the device works
STEP_S = 1  # of the windows of the segmentation
TEXTS = 2  # passages in a window of speech


@dataclass(frozen=True)
class Job:
    """What is repeated: one of the kinds above, with so many windows of 30 s at a time."""

    kind: str
    batch: int


@dataclass(frozen=True)
class Measurement:
    """What workers did in a job, and the card meanwhile. `error`: why it could not be done."""

    job: Job
    workers: int
    audio_s: float
    took_s: float
    busy_s: float
    starved_s: float
    activity: Activity | None
    error: str = ""


@dataclass(frozen=True)
class Session:
    """What all jobs of a measurement have in common."""

    place: Place
    beam: int
    tokens: int
    seconds: float


def measure(session: Session, workers: int, jobs: Sequence[Job], card: Card) -> list[Measurement]:
    """Let so many processes do the jobs, one after the other, and return what they did."""
    context = multiprocessing.get_context("spawn")
    gate, results = context.Barrier(workers + 1), context.Queue()
    processes = [
        context.Process(target=_work, args=(session, tuple(jobs), gate, results), daemon=True) for _ in range(workers)
    ]
    for process in processes:
        process.start()
    try:
        return [_watched(job, workers, gate, results, card) for job in jobs]
    finally:
        gate.abort()
        for process in processes:
            process.join(READY_S)


def _watched(job: Job, workers: int, gate: Any, results: Any, card: Card) -> Measurement:  # noqa: ANN401 (of multiprocessing)
    gate.wait(READY_S)
    with card.watched() as activity:
        found = [results.get(timeout=READY_S) for _ in range(workers)]
    gate.wait(READY_S)  # they keep their memory until it was read
    errors = [one for one in found if isinstance(one, str)]
    if errors:
        return Measurement(job, workers, 0.0, 0.0, 0.0, 0.0, None, errors[0])
    audio_s, took_s, busy_s, starved_s = (sum(one[part] for one in found) for part in range(4))
    return Measurement(job, workers, audio_s, took_s / workers, busy_s / workers, starved_s / workers, activity)


def _work(session: Session, jobs: Sequence[Job], gate: Any, results: Any) -> None:  # noqa: ANN401 (of multiprocessing)
    steps: dict[str, Callable[[Any], None]] = {}
    features = gpu_models.features_of(session.place)
    for job in jobs:
        failed = ""
        try:
            if job.kind not in steps:
                steps[job.kind] = _step(session, job.kind)
            steps[job.kind](features(job.batch))
            session.place.ready()
        except (RuntimeError, ImportError) as error:  # out of memory is a RuntimeError
            failed = str(error).splitlines()[0]
        try:
            gate.wait(READY_S)
            results.put(failed or _repeated(session, job, steps[job.kind], features))
            gate.wait(READY_S)
        except threading.BrokenBarrierError:
            return


def _step(session: Session, kind: str) -> Callable[[Any], None]:
    """Return the work on a batch of windows, given as their features."""
    recognise = gpu_models.recognition(session.place, session.beam, session.tokens)
    if kind == RECOGNITION:
        return recognise
    others = (
        (gpu_models.segmentation(session.place), WINDOW_S // STEP_S),
        (gpu_models.voices(session.place), WINDOW_S // SEGMENTATION_S),
        (gpu_models.texts(session.place), TEXTS),
    )

    def step(batch: Any) -> None:  # noqa: ANN401 (a tensor)
        recognise(batch)
        for work, in_window in others:
            work(1 if session.place.is_small else len(batch) * in_window)

    return step


def _repeated(
    session: Session, job: Job, step: Callable[[Any], None], features: Callable[[int], Any]
) -> tuple[float, float, float, float]:
    """Repeat a step; return the seconds of audio, of the clock, of work of the device, and of waiting for features."""
    batches: queue.Queue[Any] = queue.Queue(AHEAD)
    ended = threading.Event()

    def feed() -> None:
        batch = None
        while not ended.is_set():
            batch = features(job.batch) if batch is None else batch
            with suppress(queue.Full):
                batches.put(batch, timeout=FULL_S)
                batch = None

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    audio_s = busy_s = starved_s = 0.0
    began = time.monotonic()
    while (at := time.monotonic()) - began < session.seconds:
        batch = batches.get()
        given = time.monotonic()
        step(batch)
        session.place.ready()
        starved_s += given - at
        busy_s += time.monotonic() - given
        audio_s += job.batch * WINDOW_S
    took_s = time.monotonic() - began
    ended.set()
    feeder.join()
    return audio_s, took_s, busy_s, starved_s
