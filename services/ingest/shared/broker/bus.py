"""What the rooms need from a message bus, and which streams and consumers there are. No NATS in here.

    stream INGEST          work queue: every message is handled once and then gone; full means "no", never "forget"
    stream INGEST_LATER    work queue: messages that wait for a time, one consumer per stage
    stream INGEST_EVENTS   what happened, for a week
    stream INGEST_DEAD     what could not be handled, for ninety days
    bucket ingest_governor the fleet's limit towards the video site

`max_ack_pending` of a consumer is the fleet-wide limit of its stage, whatever the number of replicas. A message that
waits is not parked in its consumer (it would hold one of those places): it moves to INGEST_LATER, where a delayed
negative acknowledgement is the timer, and comes back when it is due.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ingest.shared.messages import AudioReady, Stage, TranscriptReady, VideoAccessible, VideoMessage, VideoRequested

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

REQUESTED = "ingest.video.requested"
ACCESSIBLE = "ingest.video.accessible"
AUDIO = "ingest.audio.ready"
TRANSCRIPT = "ingest.transcript.ready"

WORK_STREAM = "INGEST"
LATER_STREAM = "INGEST_LATER"
EVENT_STREAM = "INGEST_EVENTS"
DEAD_STREAM = "INGEST_DEAD"
GOVERNOR_BUCKET = "ingest_governor"
LEDGER = "ledger"

INPUT_OF = {
    Stage.CHECK: REQUESTED,
    Stage.DOWNLOAD: ACCESSIBLE,
    Stage.ASR: AUDIO,
    Stage.EMBEDDER: TRANSCRIPT,
}
SUBJECT_OF: dict[type[VideoMessage], str] = {
    VideoRequested: REQUESTED,
    VideoAccessible: ACCESSIBLE,
    AudioReady: AUDIO,
    TranscriptReady: TRANSCRIPT,
}
MESSAGE_ID = "Nats-Msg-Id"
DUE = "Ingest-Due"
DAY_S = 86_400.0


def event_subject(stage: Stage) -> str:
    """Return where the events of a stage go."""
    return f"ingest.event.{stage}"


def dead_subject(stage: Stage) -> str:
    """Return where the dead letters of a stage go."""
    return f"ingest.dead.{stage}"


def later_subject(stage: Stage) -> str:
    """Return where the waiting messages of a stage are kept."""
    return f"ingest.later.{stage}"


def later_consumer(stage: Stage) -> str:
    """Return the consumer that wakes the waiting messages of a stage."""
    return f"later-{stage}"


@dataclass(frozen=True)
class StreamSpec:
    """A stream as it must be: limits in bytes and seconds (0: none); a full one refuses, or forgets its oldest."""

    name: str
    subjects: tuple[str, ...]
    work_queue: bool
    max_bytes: int
    max_age_s: float = 0.0
    forgets_oldest: bool = False
    duplicate_window_s: float = 120.0


@dataclass(frozen=True)
class ConsumerSpec:
    """A durable pull consumer as it must be. `max_ack_pending` -1 means no limit."""

    name: str
    stream: str
    subject: str
    ack_wait_s: float
    max_ack_pending: int


@dataclass(frozen=True)
class Topology:
    """Everything that must exist on the broker."""

    streams: tuple[StreamSpec, ...]
    consumers: tuple[ConsumerSpec, ...]


def topology(*, ack_wait_s: float, check_limit: int, download_limit: int, work_bytes: int) -> Topology:
    """Return the streams and consumers of the pipeline."""
    limits = {Stage.CHECK: check_limit, Stage.DOWNLOAD: download_limit}
    work = tuple(
        ConsumerSpec(stage, WORK_STREAM, INPUT_OF[stage], ack_wait_s, limits.get(stage, 1000)) for stage in Stage
    )
    waking = tuple(
        ConsumerSpec(later_consumer(stage), LATER_STREAM, later_subject(stage), ack_wait_s, -1) for stage in Stage
    )
    return Topology(
        streams=(
            StreamSpec(WORK_STREAM, tuple(INPUT_OF.values()), True, work_bytes),
            StreamSpec(LATER_STREAM, ("ingest.later.*",), True, work_bytes),
            StreamSpec(EVENT_STREAM, ("ingest.event.*",), False, work_bytes, 7 * DAY_S, forgets_oldest=True),
            StreamSpec(DEAD_STREAM, ("ingest.dead.*",), False, work_bytes, 90 * DAY_S),
        ),
        consumers=(*work, *waking, ConsumerSpec(LEDGER, EVENT_STREAM, "ingest.event.*", ack_wait_s, 1000)),
    )


@dataclass(frozen=True)
class Delivery:
    """A message handed to us, until we answer it. `reply` is the broker's address for that answer."""

    subject: str
    data: bytes
    sequence: int
    delivered: int
    published_at: datetime
    reply: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """The value of a key, and its revision."""

    data: bytes
    revision: int


@dataclass(frozen=True)
class Lag:
    """How far a consumer is behind: messages never delivered, and messages in someone's hands."""

    waiting: int
    in_hand: int


class BusError(Exception):
    """The bus did not do what was asked; the message says what and what to do."""


class BusUnavailableError(BusError):
    """The broker did not answer in time. The request may still have been carried out."""


class BusRefusedError(BusError):
    """The broker refuses: no permission, no such stream, or a queue that is full."""


class BusNothingError(BusRefusedError):
    """What was asked for is not there."""


class BusConflictError(BusRefusedError):
    """Somebody else has written since."""


class Bus(Protocol):
    """A broker as the worker sees it. Every method blocks, and may be called from any thread."""

    def publish(self, subject: str, data: bytes, message_id: str, headers: Mapping[str, str] | None = None) -> None:
        """Store a message and return when the broker has it; repeated with the same id until it does."""

    def mention(self, subject: str, data: bytes) -> None:
        """Send a message that may be lost, and wait for nothing."""

    def fetch(self, consumer: str, stream: str, wait_s: float) -> Delivery | None:
        """Return the next message of a consumer, or None when there is none within `wait_s`."""

    def ack(self, delivery: Delivery) -> None:
        """Tell the broker that a message is done, and wait until it knows."""

    def nak(self, delivery: Delivery, delay_s: float = 0.0) -> None:
        """Give a message back, to be delivered again after `delay_s`."""

    def keep_alive(self, delivery: Delivery, limit_s: float) -> None:
        """Keep a message ours for up to `limit_s` from now: beat every third of the consumer's acknowledgement time."""

    def release(self, delivery: Delivery) -> None:
        """Stop the beats of a message."""
