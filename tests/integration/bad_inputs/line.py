"""One stage on a real broker, with its real handler: its inputs, outputs and events."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

from ingest.shared.broker.topology import DEAD_STREAM, EVENT_STREAM, INPUT_OF, WORK_STREAM
from ingest.shared.errors import RULES, Code, Outcome
from ingest.shared.messages import DeadLetter, Event, EventKind, decode, encode
from ingest.shared.worker.crash_journal import Journal
from ingest.shared.worker.delayed import Waker
from ingest.shared.worker.isolation import Quarantine
from ingest.shared.worker.loop import Worker
from ingest.shared.worker.retry import Pauses
from ingest.shared.worker.stage import StageWork, WorkerOptions
from ingest.shared.worker.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.messages import Stage, VideoMessage
    from ingest.shared.worker.stage import InputFile, StageResult

PAUSES = Pauses(first_s=0.2, longest_s=0.5, postponed_s=0.2, deferred_s=3600.0)
LIMIT_S = 60.0
ENDS = {EventKind.FINISHED, EventKind.INDEXED, EventKind.FAILED, EventKind.SKIPPED}
KIND_OF = {
    Outcome.PERMANENT: EventKind.FAILED,
    Outcome.SKIPPED: EventKind.SKIPPED,
    Outcome.TRANSIENT: EventKind.RETRYING,
    Outcome.POSTPONED: EventKind.POSTPONED,
    Outcome.DEFERRED: EventKind.DEFERRED,
}


def answer_to(code: Code) -> tuple[EventKind, Code]:
    """Return the event that a stage must publish about the first attempt of a video that fails with this code."""
    return KIND_OF[RULES[code].outcome], code


class Line:
    """A worker of one stage."""

    def __init__(self, bus: NatsBus, folder: Path) -> None:
        self.bus = bus
        self._folder = folder
        self._running: list[Worker[Any] | Waker] = []
        self._numbers = itertools.count()

    def start(
        self,
        stage: Stage,
        model: type[VideoMessage],
        handle: Callable[..., StageResult],
        input_file: InputFile | None = None,
    ) -> None:
        """Start a worker with one slot, so that a blocked slot stops all work."""
        self._stage = stage
        work = StageWork(stage, model, handle, lambda _: LIMIT_S, slots=1, input_file=input_file)
        worker = Worker(
            work,
            self.bus,
            Journal(self._folder, f"{stage}-test"),
            WorkerOptions("test", 5.0, PAUSES),
            watchdog=Watchdog(),
            quarantine=Quarantine(),
        )
        self._running += [worker, Waker(stage, self.bus)]
        for runner in self._running:
            runner.start()

    def stop(self) -> None:
        for runner in self._running:
            runner.stop()
        for runner in self._running:
            runner.drain(time.monotonic() + 5)

    def send(self, *messages: VideoMessage | bytes) -> None:
        """Put messages, readable or not, into the queue of the stage."""
        for message in messages:
            data = message if isinstance(message, bytes) else encode(message)
            self.bus.publish(INPUT_OF[self._stage], data, f"test:{next(self._numbers)}")

    def answers(self) -> dict[str, tuple[EventKind, str | None]]:
        """Return the result of the first attempt of each video."""
        found: dict[str, tuple[EventKind, str | None]] = {}
        for event in self.events():
            if event.kind not in (EventKind.STARTED, EventKind.PROGRESS):
                found.setdefault(event.video_id, (event.kind, event.code))
        return found

    def queued(self, subject: str) -> list[bytes]:
        return [data for _, data in self.bus.read(WORK_STREAM, subject)]

    def events(self) -> list[Event]:
        return [decode(Event, data) for _, data in self.bus.read(EVENT_STREAM, "ingest.event.*")]

    def letters(self) -> list[DeadLetter]:
        return [decode(DeadLetter, data) for _, data in self.bus.read(DEAD_STREAM, "ingest.dead.*")]

    def ended(self) -> dict[str, tuple[EventKind, str | None]]:
        """Return how each video has ended in this stage: the kind of its last event, and the code."""
        return {event.video_id: (event.kind, event.code) for event in self.events() if event.kind in ENDS}
