"""The subjects, streams and consumers on the broker.

    stream INGEST          work queue: an acknowledged message is removed; a full queue refuses messages, it evicts none
    stream INGEST_LATER    work queue: delayed messages, one consumer per stage
    stream INGEST_EVENTS   events, kept for a week
    stream INGEST_DEAD     dead letters, kept for ninety days
    stream INGEST_CHANGES  work queue: what readers of the archive want changed, kept for a day
    stream INGEST_RUNS     the recordings of backfills, and how these have ended, kept for ninety days
    bucket ingest_governor the fleet's rate limit for each video site
    stream OBJ_ingest_files the files of a volume that is on NATS (layout: `file_info`); a full one refuses new files

`max_ack_pending` of a consumer is the fleet-wide limit of its stage, whatever the number of replicas. A delayed
message does not stay in its consumer, where it would count against that limit. It moves to INGEST_LATER, where a
delayed nak is the timer, and returns when it is due.
"""

from __future__ import annotations

from dataclasses import dataclass

from ingest.shared.messages import Stage
from ingest.shared.pipeline import PIPELINE

WORK_STREAM = "INGEST"
LATER_STREAM = "INGEST_LATER"
EVENT_STREAM = "INGEST_EVENTS"
DEAD_STREAM = "INGEST_DEAD"
CHANGE_STREAM = "INGEST_CHANGES"
RUN_STREAM = "INGEST_RUNS"
GOVERNOR_BUCKET = "ingest_governor"
FILES_BUCKET = "ingest_files"
UNLIMITED = -1
LEDGER = "ledger"
CHANGES = "changes"

INPUT_OF = {spec.stage: spec.subject for spec in PIPELINE}
SUBJECT_OF = {spec.reads: spec.subject for spec in PIPELINE}
REQUESTED = INPUT_OF[Stage.CHECK]
CHANGE_REQUESTED = "ingest.change.requested"
ACCESSIBLE = INPUT_OF[Stage.DOWNLOAD]
MESSAGE_ID = "Nats-Msg-Id"
DUE = "Ingest-Due"
DELAY = "Ingest-Delay"
DAY_S = 86_400.0
CHANGE_BYTES = 10_000_000
RUN_BYTES = 20_000_000  # of a million recordings


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
    """Return the consumer of the delayed messages of a stage."""
    return f"later-{stage}"


def run_subject(run: str) -> str:
    """Return where the recordings of a run are named."""
    return f"ingest.run.recordings.{run}"


def run_settled_subject(run: str) -> str:
    """Return where the end of a run is recorded."""
    return f"ingest.run.settled.{run}"


@dataclass(frozen=True)
class StreamSpec:
    """A stream as it must be: limits in bytes and seconds (0: none); a full one refuses, or drops its oldest."""

    name: str
    subjects: tuple[str, ...]
    work_queue: bool
    max_bytes: int
    max_age_s: float = 0.0
    forgets_oldest: bool = False
    duplicate_window_s: float = 120.0
    holds_files: bool = False


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
    bucket: str = GOVERNOR_BUCKET


def files_stream(bucket: str) -> str:
    """Return the stream of a bucket of files."""
    return f"OBJ_{bucket}"


def file_subjects(bucket: str, path: str) -> tuple[str, str]:
    """Return the subjects of the chunks and of the infos of files."""
    return f"$O.{bucket}.C.{path}", f"$O.{bucket}.M.{path}"


def files_spec(bucket: str, max_bytes: int = UNLIMITED) -> StreamSpec:
    """Return the stream of a bucket of files."""
    return StreamSpec(files_stream(bucket), file_subjects(bucket, ">"), False, max_bytes, holds_files=True)


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
            StreamSpec(CHANGE_STREAM, (CHANGE_REQUESTED,), True, CHANGE_BYTES, DAY_S),
            StreamSpec(RUN_STREAM, ("ingest.run.>",), False, RUN_BYTES, 90 * DAY_S, forgets_oldest=True),
        ),
        consumers=(
            *work,
            *waking,
            ConsumerSpec(LEDGER, EVENT_STREAM, "ingest.event.*", ack_wait_s, 1000),
            ConsumerSpec(CHANGES, CHANGE_STREAM, CHANGE_REQUESTED, ack_wait_s, 1),  # one after the other
        ),
    )
