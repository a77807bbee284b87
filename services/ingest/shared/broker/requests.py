"""Requests recordings: publishes them with their events. A request of a known video begins its next generation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from ingest.shared.bounds import LARGEST_GENERATION
from ingest.shared.broker.bus import BusRefusedError
from ingest.shared.broker.topology import REQUESTED, WORK_STREAM, event_subject
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Event, EventKind, Policy, Stage, VideoRequested, encode
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.video_state import VideoRecord

MAX_QUEUE_FILL = 0.8  # a stage publishes its result before it acknowledges its input: a full queue would block it
log = get_logger(__name__)


class Row(Protocol):
    """A row of the table of videos."""

    @property
    def video_id(self) -> str:
        """Return the id."""

    def as_record(self) -> VideoRecord:
        """Return the state of the video."""


def next_generation(known: VideoRecord) -> int:
    """Return the generation of the next run of a video; raise BAD_FIELD after the last one."""
    if known.generation >= LARGEST_GENERATION:
        raise IngestError(Code.BAD_FIELD, f"{known.video_id} has the largest generation: it cannot run again")
    return known.generation + 1


def each_request(rows: Iterable[Row], build: Callable[[VideoRecord], VideoRequested]) -> Iterator[VideoRequested]:
    """Yield a request for each video; log a video for which none is possible, and go on with the next."""
    for row in rows:
        try:
            request = build(row.as_record())
        except IngestError as error:
            log.warning("left_out", video_id=row.video_id, code=error.code, error=error.message)
        else:
            yield request


def build_repetition(known: VideoRecord) -> VideoRequested:
    """Return a request for a known video without limits; stages reuse their finished files, and captions as before."""
    if known.source is None:
        raise IngestError(Code.BAD_FIELD, f"{known.video_id} has no source in the archive")
    return VideoRequested(
        video_id=known.video_id,
        generation=next_generation(known),
        source=known.source,
        metadata=known.metadata,
        fresh_from=known.fresh_from,
        policy=Policy(captions=known.policy.captions),
    )


def build_replacement(known: VideoRecord) -> VideoRequested:
    """Return a request that replaces a lost one, with the same limits."""
    return build_repetition(known).model_copy(update={"policy": known.policy})


def never() -> bool:
    """Do not wait for room in the queue."""
    return False


def publish(
    bus: NatsBus,
    message: VideoRequested,
    numbers: Mapping[str, float] | None = None,
    *,
    may_wait: Callable[[], bool] = never,
) -> None:
    """Publish a request and its event; raise BusRefusedError when the stages need the rest of the queue.

    `numbers` are figures of the listing. While the stages need the rest of the queue, `may_wait` makes a pause and
    returns whether to look again.

    The message ids contain the job, so the broker drops both when another command has just requested the same job.
    """
    while bus.fill(WORK_STREAM) > MAX_QUEUE_FILL:
        if not may_wait():
            raise BusRefusedError("the work queue is nearly full: submit the rest when it is shorter (`ingest status`)")
    event = Event(
        video_id=message.video_id,
        generation=message.generation,
        stage=Stage.CHECK,
        kind=EventKind.SUBMITTED,
        at=datetime.now(UTC),
        source=message.source,
        metadata=message.metadata,
        policy=message.policy,
        fresh_from=message.fresh_from,
        numbers=dict(numbers or {}),
    )
    subject = event_subject(Stage.CHECK)
    bus.publish(subject, encode(event), f"{subject}:{message.job}:submitted")
    bus.publish(REQUESTED, encode(message), f"{REQUESTED}:{message.job}")
