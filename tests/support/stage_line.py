"""A worker of one stage on a real broker, with a handler of the test: its input, its results, its events."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

from ingest.shared.broker.topology import DEAD_STREAM, EVENT_STREAM, INPUT_OF, WORK_STREAM
from ingest.shared.errors import RULES, Code, Outcome
from ingest.shared.messages import DeadLetter, Event, EventKind, Stage, decode, encode
from ingest.shared.pipeline import SPEC_OF
from ingest.shared.worker.crash_journal import CrashJournal
from ingest.shared.worker.delayed import delayed_redelivery
from ingest.shared.worker.loop import Worker
from ingest.shared.worker.retry import Pauses
from ingest.shared.worker.stage import StageWork, WorkerOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingest.shared.broker.bus import Bus
    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.errors import IngestError
    from ingest.shared.loop_thread import LoopThread
    from ingest.shared.messages import VideoMessage
    from ingest.shared.worker.stage import InputFile, StageResult

PAUSES = Pauses(first_s=0.2, longest_s=0.5, postponed_s=0.2, deferred_s=3600.0)
LIMIT_S = 60.0
FETCH_WAIT_S = 0.2  # each test waits for it when its worker stops
ENDS = {EventKind.FINISHED, EventKind.INDEXED, EventKind.FAILED, EventKind.SKIPPED}
KIND_OF = {
    Outcome.PERMANENT: EventKind.FAILED,
    Outcome.SKIPPED: EventKind.SKIPPED,
    Outcome.TRANSIENT: EventKind.RETRYING,
    Outcome.POSTPONED: EventKind.POSTPONED,
    Outcome.DEFERRED: EventKind.DEFERRED,
}


def answer_to(code: Code) -> tuple[EventKind, Code]:
    """Return the event kind and code that must follow when the first attempt at a video fails with this code."""
    return KIND_OF[RULES[code].outcome], code


class Line:
    """A worker of one stage."""

    def __init__(self, bus: NatsBus, folder: Path) -> None:
        self.bus = bus
        self._folder = folder
        self._running: list[Worker[Any] | LoopThread] = []
        self._stage = Stage.CHECK
        self._numbers = itertools.count()

    def start(
        self,
        stage: Stage,
        handle: Callable[..., StageResult],
        input_file: InputFile | None = None,
        *,
        slots: int = 1,
        bus: Bus | None = None,
        gave_up: Callable[[Any, IngestError], None] = lambda _message, _error: None,
    ) -> None:
        """Start a worker; with one slot, an error that stops the slot stops the stage."""
        self._stage = stage
        spec = SPEC_OF[stage]
        work = StageWork(spec, handle, lambda _: LIMIT_S, slots=slots, input_file=input_file, gave_up=gave_up)
        worker = Worker(work, bus or self.bus, self.journal(), WorkerOptions("test", 5.0, PAUSES, FETCH_WAIT_S))
        started: list[Worker[Any] | LoopThread] = [worker, delayed_redelivery(stage, self.bus, FETCH_WAIT_S)]
        for runner in started:
            runner.start()
        self._running += started

    def journal(self, worker: str = "test") -> CrashJournal:
        """Open the crash journal of a worker, as each start of that worker does."""
        return CrashJournal(self._folder, f"{self._stage}-{worker}")

    def stop_fetching(self) -> None:
        """Do the first half of SIGTERM: fetch nothing more."""
        for runner in self._running:
            runner.stop()

    def stop(self, grace_s: float = 5.0) -> None:
        """Do all of SIGTERM: fetch nothing more, finish the work in flight or hand it back."""
        self.stop_fetching()
        deadline = time.monotonic() + grace_s
        for runner in self._running:
            runner.drain(deadline)
        self._running.clear()

    def send(self, *messages: VideoMessage | bytes) -> None:
        """Publish messages, or bytes in place of a message, to the stage; each has an id of its own."""
        for message in messages:
            data = message if isinstance(message, bytes) else encode(message)
            self.bus.publish(INPUT_OF[self._stage], data, f"test:{next(self._numbers)}")

    def answers(self) -> dict[str, tuple[EventKind, str | None]]:
        """Return the outcome of the first attempt at each video."""
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
