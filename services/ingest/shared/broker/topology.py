"""Which subjects, streams and consumers there are on the broker.

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

from dataclasses import dataclass

from ingest.shared.messages import AudioReady, Stage, TranscriptReady, VideoAccessible, VideoMessage, VideoRequested

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
