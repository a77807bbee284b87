"""Settles a message after an attempt: the next message, a dead letter, or a delayed redelivery.

The order is fixed: publish the message that must not be lost, publish the event, acknowledge.
"""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ingest.shared.broker.topology import (
    DELAY,
    DUE,
    INPUT_OF,
    SUBJECT_OF,
    dead_subject,
    event_subject,
    later_subject,
)
from ingest.shared.errors import IngestError, Outcome
from ingest.shared.messages import DeadLetter, Event, EventKind, VideoAccessible, VideoMessage, encode
from ingest.shared.outgoing import redact
from ingest.shared.telemetry import metrics
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.worker.retry import Again, Attempts, Finish, GiveUp, Redo, decide

if TYPE_CHECKING:
    from ingest.shared.broker.bus import Bus, Delivery
    from ingest.shared.worker.crash_journal import CrashJournal
    from ingest.shared.worker.stage import InputFile, StageResult, StageWork, WorkerOptions

LONGEST_KEPT_PAYLOAD = 200_000
log = get_logger(__name__)


class InFlight:
    """A message in flight. It is settled once: by its slot, or at shutdown by the drain."""

    def __init__(self, delivery: Delivery, message: VideoMessage, attempts: Attempts, job: str) -> None:
        self.delivery = delivery
        self.message = message
        self.attempts = attempts
        self.job = job
        self._lock = threading.Lock()
        self._settled = False

    def claim(self) -> bool:
        """Return whether the caller is the one that settles the message."""
        with self._lock:
            first, self._settled = not self._settled, True
        return first


class Settlement:
    """Settles the messages of one stage."""

    def __init__(self, work: StageWork[Any], bus: Bus, journal: CrashJournal, options: WorkerOptions) -> None:
        self._stage = work.stage
        self._input = work.input_file
        self._gave_up = work.gave_up
        self._bus = bus
        self._journal = journal
        self._options = options
        self._rng = random.Random()  # noqa: S311 (jitter)

    def succeed(self, item: InFlight, result: StageResult, took_s: float) -> None:
        """Publish the next message and acknowledge; a message that cannot be encoded is a failure."""
        numbers = {**result.numbers, "took_s": round(took_s, 3)}
        event = self._event(
            item, result.kind, code=result.code, text=result.text, numbers=numbers, metadata=result.metadata
        )
        try:
            data, event_data = encode(result.message) if result.message is not None else b"", encode(event)
        except IngestError as error:
            self.fail(item, error)
            return
        if not item.claim():
            return
        if result.message is not None:
            subject = SUBJECT_OF[type(result.message)]
            self._bus.publish(subject, data, f"{subject}:{result.message.job}")
        self._publish(event, event_data)
        self._bus.ack(item.delivery)
        self._journal.clear(item.job)
        metrics.count(self._stage, result.kind, result.code)
        log.info(str(result.kind), took_s=round(took_s, 2), code=result.code)

    def fail(self, item: InFlight, error: IngestError) -> None:
        """Carry out what `retry.decide` says about a failure, and acknowledge."""
        if not item.claim():
            return
        input_file = self._input if self._input and error.code in self._input.codes else None
        redo = item.message.redo if input_file else None
        now = datetime.now(UTC)
        decision = decide(error, item.attempts, now, self._options.pauses, self._rng, redo=redo)
        if input_file and redo and isinstance(decision, GiveUp):
            error = IngestError(error.code, f"{error.message} ({input_file.done_twice})", is_final=True)
        text, retry_at = error.message, None
        match decision:
            case Finish():
                kind = EventKind.FINISHED
            case GiveUp(outcome=Outcome.SKIPPED):
                kind = EventKind.SKIPPED
            case GiveUp():
                kind = EventKind.FAILED
                self._bury(item.delivery, item.message, error, item.attempts)
                self._gave_up(item.message, error)
            case Again():
                kind, retry_at = _KIND_OF[decision.outcome], decision.at
                self._send_later(item, decision, now)
            case Redo() if input_file is not None:
                kind, text = EventKind.RETRYING, f"{error.message}; {input_file.doing}"
                self._ask_for_input(item.message, input_file)
        self.publish_event(item, kind, code=error.code, text=text, retry_at=retry_at)
        self._bus.ack(item.delivery)
        if isinstance(decision, GiveUp | Redo):
            self._journal.clear(item.job)
        metrics.count(self._stage, kind, error.code)
        log.warning(str(kind), code=error.code, error=error.message)

    def refuse(self, delivery: Delivery, error: IngestError) -> None:
        """Send a message that cannot be read to the dead letters, in one attempt."""
        self._bury(delivery, None, error, Attempts.from_headers(delivery.headers))
        self._bus.ack(delivery)
        metrics.count(self._stage, EventKind.FAILED, error.code)
        log.error("unreadable_message", code=error.code, error=error.message, sequence=delivery.sequence)

    def publish_event(self, item: InFlight, kind: EventKind, **details: Any) -> None:  # noqa: ANN401 (a foreign or generic shape)
        """Publish an event about the message in flight."""
        event = self._event(item, kind, **details)
        self._publish(event, encode(event))

    def publish_progress(self, item: InFlight, numbers: dict[str, float]) -> None:
        """Publish progress without waiting: an unreachable broker must not delay the work."""
        self._bus.publish_unreliable(
            event_subject(self._stage), encode(self._event(item, EventKind.PROGRESS, numbers=numbers))
        )

    def _event(self, item: InFlight, kind: EventKind, *, text: str = "", **details: Any) -> Event:  # noqa: ANN401 (a foreign or generic shape)
        return Event(
            video_id=item.message.video_id,
            generation=item.message.generation,
            stage=self._stage,
            kind=kind,
            at=datetime.now(UTC),
            attempt=item.attempts.number,
            worker=self._options.name,
            source=item.message.source,
            text=redact(text),
            **details,
        )

    def _publish(self, event: Event, data: bytes) -> None:
        subject = event_subject(self._stage)
        self._bus.publish(subject, data, f"{subject}:{event.video_id}:{event.kind}:{event.at.timestamp()}")

    def _send_later(self, item: InFlight, again: Again, now: datetime) -> None:
        delay_s = (again.at - now).total_seconds()
        headers = {**again.attempts.as_headers(), DUE: again.at.isoformat(), DELAY: f"{delay_s:.3f}"}
        subject = later_subject(self._stage)
        self._bus.publish(subject, item.delivery.data, f"{subject}:{item.job}:{item.delivery.sequence}", headers)

    def _ask_for_input(self, message: VideoMessage, input_file: InputFile) -> None:
        input_file.discard(message.video_id)
        again = message.next(VideoAccessible, redo=message.redo + 1)
        subject = SUBJECT_OF[VideoAccessible]
        self._bus.publish(subject, encode(again), f"{subject}:{again.job}")

    def _bury(self, delivery: Delivery, message: VideoMessage | None, error: IngestError, attempts: Attempts) -> None:
        letter = DeadLetter(
            stage=self._stage,
            subject=INPUT_OF[self._stage],
            payload=delivery.data.decode("utf-8", "backslashreplace")[:LONGEST_KEPT_PAYLOAD],
            code=error.code,
            text=redact(error.message),
            attempts=attempts.as_numbers(),
            at=datetime.now(UTC),
            video_id=message.video_id if message else None,
            generation=message.generation if message else None,
        )
        subject = dead_subject(self._stage)
        self._bus.publish(
            subject, _encode_shortened(letter), f"{subject}:{delivery.sequence}:{delivery.published_at.timestamp()}"
        )


def _encode_shortened(letter: DeadLetter) -> bytes:
    """Return a dead letter as JSON, with as much of its payload as the broker takes (escapes may make it grow)."""
    while True:
        try:
            return encode(letter)
        except IngestError:
            letter = letter.model_copy(update={"payload": letter.payload[: len(letter.payload) // 2]})


_KIND_OF = {
    Outcome.TRANSIENT: EventKind.RETRYING,
    Outcome.POSTPONED: EventKind.POSTPONED,
    Outcome.DEFERRED: EventKind.DEFERRED,
}
