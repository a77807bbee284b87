"""From sources on the command line to messages in the queue: what to ask for, and what is there already."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import ConfigDict

from ingest.downloader.sources.registry import recordings
from ingest.shared import video_state
from ingest.shared.broker.bus import BusRefusedError
from ingest.shared.broker.topology import LATER_STREAM, REQUESTED, WORK_STREAM, event_subject
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import (
    Event,
    EventKind,
    Metadata,
    Policy,
    Stage,
    VideoMessage,
    VideoRequested,
    decode,
    encode,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ingest.cli.settings import AllSettings
    from ingest.downloader.sources.connector import Recording
    from ingest.embedder.catalog import Catalog, VideoRow
    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.video_state import VideoState


FULLEST_QUEUE = 0.8  # a stage stores its result before its input goes: a full queue would stand still


@dataclass(frozen=True)
class Choice:
    """Which recordings of the sources are wanted, and what the user knows about their speakers.

    `limit_new` looks on until so many are found that are not indexed.
    """

    policy: Policy = field(default_factory=Policy)
    limit: int | None = None
    limit_new: int | None = None
    newest_first: bool = False
    force: bool = False
    speakers: Metadata = field(default_factory=Metadata)


@dataclass(frozen=True)
class Wanted:
    """A recording, and its row in the archive if it has one."""

    recording: Recording
    row: VideoRow | None


def choose(
    sources: Iterable[str],
    choice: Choice,
    settings: AllSettings,
    catalog: Catalog,
    before_listing: Callable[[], object],
) -> list[Wanted]:
    """Return the recordings of sources that are wanted, each once. Raise IngestError for a source that is none.

    `before_listing` is called before YouTube is asked for the videos of a channel or playlist.
    """
    found = _unique(recording for source in sources for recording in recordings(source, settings, before_listing))
    found = (recording for recording in found if _is_recent(recording, choice.policy.published_after))
    if choice.newest_first:
        oldest = datetime.min.replace(tzinfo=UTC)
        found = iter(sorted(found, key=lambda item: item.metadata.published_at or oldest, reverse=True))
    chosen: list[Wanted] = []
    new = 0
    for recording in found:
        row = catalog.videos([recording.video_id]).get(recording.video_id) if choice.limit_new else None
        is_new = row is None or row.state != video_state.INDEXED
        if choice.limit_new and not is_new:
            continue
        chosen.append(Wanted(recording, row))
        new += is_new
        if len(chosen) == choice.limit or (choice.limit_new and new >= choice.limit_new):
            break
    rows = catalog.videos([wanted.recording.video_id for wanted in chosen])
    return [replace(wanted, row=rows.get(wanted.recording.video_id)) for wanted in chosen]


def _unique(found: Iterable[Recording]) -> Iterator[Recording]:
    seen: set[str] = set()
    for recording in found:
        if recording.video_id not in seen:
            seen.add(recording.video_id)
            yield recording


def _is_recent(recording: Recording, since: datetime | None) -> bool:
    """Tell whether a recording may be new enough; the check stage knows the date of those that a listing gives none."""
    published = recording.metadata.published_at
    return since is None or published is None or published >= since


def queued_ids(bus: NatsBus) -> set[str]:
    """Return the videos that have a message waiting, or in somebody's hands.

    Looks twice: a message may change its stream meanwhile.
    """
    found: set[str] = set()
    for stream, subject in ((WORK_STREAM, "ingest.>"), (LATER_STREAM, "ingest.later.*")) * 2:
        for _, data in bus.read(stream, subject):
            try:
                found.add(decode(_AnyVideo, data).video_id)
            except IngestError:
                continue  # its stage will bury it
    return found


class _AnyVideo(VideoMessage):
    """Whatever stage a message is for: only its video is of interest."""

    model_config = ConfigDict(extra="ignore")


def first(recording: Recording, choice: Choice, generation: int) -> VideoRequested:
    """Return the request for a recording as the user has chosen it."""
    return VideoRequested(
        video_id=recording.video_id,
        generation=generation,
        source=recording.source,
        metadata=choice.speakers.over(recording.metadata),
        fresh_from=generation if choice.force else 0,
        policy=choice.policy,
    )


def again(known: VideoState) -> VideoRequested:
    """Return the request that runs a known video once more, within no limits; stages find what is done already."""
    if known.source is None:
        raise IngestError(Code.BAD_FIELD, f"{known.video_id} has no source in the archive")
    return VideoRequested(
        video_id=known.video_id,
        generation=known.generation + 1,
        source=known.source,
        metadata=known.metadata,
        fresh_from=known.fresh_from,
    )


def instead(known: VideoState) -> VideoRequested:
    """Return the request that takes the place of one that was lost: the same limits hold."""
    return again(known).model_copy(update={"policy": known.policy})


def publish(bus: NatsBus, message: VideoRequested) -> None:
    """Put a request into the queue, and tell that it was made; refuse when the stages need the room that is left.

    Both carry the name of the job: where somebody else has just asked for the same run, the broker drops both.
    """
    if bus.fill(WORK_STREAM) > FULLEST_QUEUE:
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
    )
    subject = event_subject(Stage.CHECK)
    bus.publish(subject, encode(event), f"{subject}:{message.job}:submitted")
    bus.publish(REQUESTED, encode(message), f"{REQUESTED}:{message.job}")
