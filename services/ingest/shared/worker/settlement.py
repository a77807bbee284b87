"""What a worker tells the bus when a try is over: the next message, a dead letter, or a message that comes back later.

Always in this order: publish what must not be lost, tell what happened, acknowledge.
"""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ingest.shared.broker.topology import DUE, INPUT_OF, SUBJECT_OF, dead_subject, event_subject, later_subject
from ingest.shared.errors import IngestError, Outcome
from ingest.shared.messages import DeadLetter, Event, EventKind, Stage, VideoMessage, encode
from ingest.shared.telemetry import metrics
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.text import shorten
from ingest.shared.worker.retry import Again, Attempts, GiveUp, Settled, decide

if TYPE_CHECKING:
    from ingest.shared.broker.bus import Bus, Delivery
    from ingest.shared.worker.crash_journal import Journal
    from ingest.shared.worker.stage import Done, WorkerOptions

LONGEST_KEPT_PAYLOAD = 200_000
LONGEST_TEXT = 2_000
log = get_logger(__name__)


class Hand:
    """A message in hand. It is answered once: by its slot, or at shutdown by the drain."""

    def __init__(self, delivery: Delivery, message: VideoMessage, attempts: Attempts, job: str) -> None:
        self.delivery = delivery
        self.message = message
        self.attempts = attempts
        self.job = job
        self._lock = threading.Lock()
        self._answered = False

    def claim(self) -> bool:
        """Return whether the caller is the one who answers."""
        with self._lock:
            first, self._answered = not self._answered, True
        return first


class Answers:
    """The answers of one stage."""

    def __init__(self, stage: Stage, bus: Bus, journal: Journal, options: WorkerOptions) -> None:
        self._stage = stage
        self._bus = bus
        self._journal = journal
        self._options = options
        self._rng = random.Random()  # noqa: S311 (jitter)

    def succeed(self, hand: Hand, done: Done, took_s: float) -> None:
        """Publish the next message and acknowledge; an answer that cannot be sent is a failure."""
        numbers = {**done.numbers, "took_s": round(took_s, 3)}
        event = self._event(hand, done.kind, code=done.code, text=done.text, numbers=numbers, metadata=done.metadata)
        try:
            data, told = encode(done.message) if done.message is not None else b"", encode(event)
        except IngestError as error:
            self.fail(hand, error)
            return
        if not hand.claim():
            return
        if done.message is not None:
            subject = SUBJECT_OF[type(done.message)]
            self._bus.publish(subject, data, f"{subject}:{done.message.job}")
        self._publish(event, told)
        self._bus.ack(hand.delivery)
        self._journal.clear(hand.job)
        metrics.count(self._stage, done.kind, done.code)
        log.info(str(done.kind), took_s=round(took_s, 2), code=done.code)

    def fail(self, hand: Hand, error: IngestError) -> None:
        """Carry out what `retry.decide` says about a failure, and acknowledge."""
        if not hand.claim():
            return
        decision = decide(error, hand.attempts, datetime.now(UTC), self._options.pauses, self._rng)
        retry_at = None
        match decision:
            case Settled():
                kind = EventKind.FINISHED
            case GiveUp(outcome=Outcome.SKIPPED):
                kind = EventKind.SKIPPED
            case GiveUp():
                kind = EventKind.FAILED
                self._bury(hand.delivery, hand.message, error, hand.attempts)
            case Again():
                kind, retry_at = _KIND_OF[decision.outcome], decision.at
                self._send_later(hand, decision)
        self.tell(hand, kind, code=error.code, text=error.message, retry_at=retry_at)
        self._bus.ack(hand.delivery)
        if isinstance(decision, GiveUp):
            self._journal.clear(hand.job)
        metrics.count(self._stage, kind, error.code)
        log.warning(str(kind), code=error.code, error=error.message)

    def refuse(self, delivery: Delivery, error: IngestError) -> None:
        """Bury a message that cannot be read, in one attempt."""
        self._bury(delivery, None, error, Attempts.from_headers(delivery.headers))
        self._bus.ack(delivery)
        metrics.count(self._stage, EventKind.FAILED, error.code)
        log.error("unreadable_message", code=error.code, error=error.message, sequence=delivery.sequence)

    def tell(self, hand: Hand, kind: EventKind, **details: Any) -> None:  # noqa: ANN401 (a foreign or generic shape)
        """Publish an event about the message in hand."""
        event = self._event(hand, kind, **details)
        self._publish(event, encode(event))

    def mention(self, hand: Hand, numbers: dict[str, float]) -> None:
        """Tell how far the work is, if somebody hears it: a broker that is away must not hold the work up."""
        self._bus.mention(event_subject(self._stage), encode(self._event(hand, EventKind.PROGRESS, numbers=numbers)))

    def _event(self, hand: Hand, kind: EventKind, *, text: str = "", **details: Any) -> Event:  # noqa: ANN401 (a foreign or generic shape)
        return Event(
            video_id=hand.message.video_id,
            generation=hand.message.generation,
            stage=self._stage,
            kind=kind,
            at=datetime.now(UTC),
            attempt=hand.attempts.number,
            worker=self._options.name,
            source=hand.message.source,
            text=shorten(text, LONGEST_TEXT),
            **details,
        )

    def _publish(self, event: Event, data: bytes) -> None:
        subject = event_subject(self._stage)
        self._bus.publish(subject, data, f"{subject}:{event.video_id}:{event.kind}:{event.at.timestamp()}")

    def _send_later(self, hand: Hand, again: Again) -> None:
        headers = {**again.attempts.as_headers(), DUE: again.at.isoformat()}
        subject = later_subject(self._stage)
        self._bus.publish(subject, hand.delivery.data, f"{subject}:{hand.job}:{hand.delivery.sequence}", headers)

    def _bury(self, delivery: Delivery, message: VideoMessage | None, error: IngestError, attempts: Attempts) -> None:
        letter = DeadLetter(
            stage=self._stage,
            subject=INPUT_OF[self._stage],
            payload=delivery.data.decode("utf-8", "backslashreplace")[:LONGEST_KEPT_PAYLOAD],
            code=error.code,
            text=shorten(error.message, LONGEST_TEXT),
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
