"""A worker of the check stage on a real broker, for tests that provide its handler."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ingest.shared import pipeline
from ingest.shared.broker.topology import DEAD_STREAM, EVENT_STREAM, REQUESTED, WORK_STREAM
from ingest.shared.messages import (
    DeadLetter,
    Event,
    EventKind,
    Source,
    SourceKind,
    Stage,
    VideoAccessible,
    VideoRequested,
    decode,
    encode,
)
from ingest.shared.worker.crash_journal import CrashJournal
from ingest.shared.worker.delayed import delayed_redelivery
from ingest.shared.worker.loop import Worker
from ingest.shared.worker.retry import Pauses
from ingest.shared.worker.stage import Report, StageResult, StageWork, WorkerOptions

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.loop_thread import LoopThread
    from ingest.shared.worker.notes import Notes

Wait = Callable[[Callable[[], bool]], None]
FETCH_WAIT_S = 0.2  # each test waits for it when its worker stops
PAUSES = Pauses(first_s=0.2, longest_s=1.0, postponed_s=0.2, deferred_s=0.5)


def requested(video_id: str = "abcdefghijk", **fields: object) -> VideoRequested:
    source = Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3")
    return VideoRequested(video_id=video_id, source=source, **fields)


def accessible(message: VideoRequested) -> VideoAccessible:
    return VideoAccessible(video_id=message.video_id, generation=message.generation, source=message.source)


class Bench:
    """A worker of the check stage with the test's handler."""

    def __init__(self, bus: NatsBus, folder: Path) -> None:
        self.bus = bus
        self.folder = folder
        self.notes: Notes | Path = folder
        self.calls: list[VideoRequested] = []
        self.running: list[tuple[Worker[VideoRequested], LoopThread]] = []

    def start(
        self,
        handle: Callable[[VideoRequested, Report], StageResult],
        *,
        slots: int = 2,
        grace_s: float = 5.0,
        deadline_s: Callable[[VideoRequested], float] = lambda _: 30.0,
    ) -> None:
        def counted(message: VideoRequested, report: Report) -> StageResult:
            self.calls.append(message)
            return handle(message, report)

        work = StageWork(pipeline.CHECK, counted, deadline_s, slots)
        journal = CrashJournal(self.notes, "check-test")
        worker = Worker(work, self.bus, journal, WorkerOptions("test", grace_s, PAUSES, FETCH_WAIT_S))
        waker = delayed_redelivery(Stage.CHECK, self.bus, FETCH_WAIT_S)
        self.running.append((worker, waker))
        worker.start()
        waker.start()

    def stop(self, grace_s: float = 5.0) -> None:
        for worker, waker in self.running:
            worker.stop()
            waker.stop()
        for worker, waker in self.running:
            worker.drain(time.monotonic() + grace_s)
            waker.drain(time.monotonic() + grace_s)
        self.running.clear()

    def submit(self, *messages: VideoRequested) -> None:
        for message in messages:
            self.bus.publish(REQUESTED, encode(message), f"{REQUESTED}:{message.job}")

    def events(self) -> list[Event]:
        return [decode(Event, data) for _, data in self.bus.read(EVENT_STREAM, "ingest.event.*")]

    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.events()]

    def letters(self) -> list[DeadLetter]:
        return [decode(DeadLetter, data) for _, data in self.bus.read(DEAD_STREAM, "ingest.dead.*")]

    def queued(self) -> list[bytes]:
        return [data for _, data in self.bus.read(WORK_STREAM, "ingest.video.requested")]
