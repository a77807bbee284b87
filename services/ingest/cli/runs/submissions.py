"""Turns sources of the command line into requests in the queue, and finds the videos that are queued already."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING
from uuid import uuid4

from pydantic import ConfigDict

from ingest.cli.runs import identity
from ingest.cli.runs.on_disk import Texts
from ingest.downloader.sources.registry import recordings
from ingest.shared.bounds import MOST_REASONS
from ingest.shared.broker.topology import LATER_STREAM, WORK_STREAM, event_subject
from ingest.shared.captions import CaptionWish
from ingest.shared.errors import IngestError
from ingest.shared.messages import (
    ListingAccount,
    Metadata,
    Policy,
    Stage,
    VideoMessage,
    VideoRequested,
    decode,
    encode,
)
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.video_state import VideoState

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from ingest.cli.selection import Selection
    from ingest.cli.settings import AllSettings
    from ingest.downloader.sources.connector import Recording
    from ingest.downloader.sources.listing import Listing
    from ingest.embedder.tables.catalog import Catalog, VideoRow
    from ingest.shared.broker.nats_bus import NatsBus


log = get_logger(__name__)
REPEATED = "the same recording as another one of the sources"
ERASED = "erased by `ingest forget` (its option --allow-again lets it in)"


@dataclass(frozen=True)
class Candidate:
    """A selected recording, and its row in the archive if it has one."""

    recording: Recording
    row: VideoRow | None


def pages(
    sources: Sequence[str],
    selection: Selection,
    settings: AllSettings,
    catalog: Catalog,
    listing: Listing,
    *,
    size: int,
) -> Iterator[list[Candidate]]:
    """Yield the selected recordings of sources, each once, at most `size` at a time; memory holds one such page.

    With `newest_first` it holds all: the listing may name the newest last. The account of the listing names what is
    left out. Raise IngestError when the only source cannot be read.
    """
    taken = Texts()
    chosen = _chosen(sources, selection, settings, catalog, listing)
    while page := list(islice(chosen, size)):
        yield _with_likely_languages(_with_rows(page, catalog, listing, taken), catalog)


def _chosen(
    sources: Sequence[str], selection: Selection, settings: AllSettings, catalog: Catalog, listing: Listing
) -> Iterator[Recording]:
    found = identity.unique(
        _listed(sources, settings, listing),
        Texts(),
        lambda recording: listing.leave_out(REPEATED, recording.metadata.title or recording.source.url),
    )
    found = (recording for recording in found if _is_recent(recording, selection, listing))
    if selection.newest_first:
        oldest = datetime.min.replace(tzinfo=UTC)
        found = iter(sorted(found, key=lambda item: item.metadata.published_at or oldest, reverse=True))
    if selection.limit_new:
        found = _until_new(found, selection.limit_new, catalog, listing)
    yield from islice(found, selection.limit)


def _until_new(found: Iterator[Recording], most: int, catalog: Catalog, listing: Listing) -> Iterator[Recording]:
    """Yield the recordings that are not indexed, at most so many."""
    new = 0
    for recording in found:
        candidate = _candidate(recording, catalog, listing)
        if candidate is None or (candidate.row is not None and candidate.row.state == VideoState.INDEXED):
            continue
        yield recording
        new += 1
        if new >= most:
            return


def _with_likely_languages(candidates: Sequence[Candidate], catalog: Catalog) -> list[Candidate]:
    """Return candidates with the language of the other recordings of their channel, where the listing names none."""
    channels = {one.recording.metadata.channel for one in candidates if one.recording.metadata.likely_language is None}
    known = catalog.languages(sorted(name for name in channels if name))
    return [replace(one, recording=_in_likely_language(one.recording, known)) for one in candidates]


def _in_likely_language(recording: Recording, known: Mapping[str, str]) -> Recording:
    likely = Metadata(likely_language=known.get(recording.metadata.channel or ""))
    return replace(recording, metadata=recording.metadata.over(likely))


def _candidate(recording: Recording, catalog: Catalog, listing: Listing) -> Candidate | None:
    """Return a recording with its row, or None for one that was erased."""
    return next(iter(_with_rows([recording], catalog, listing, Texts())), None)


def _with_rows(found: Sequence[Recording], catalog: Catalog, listing: Listing, taken: Texts) -> list[Candidate]:
    """Return recordings under their own ids, with their rows; leave out those that were erased, and note the ids."""
    ids = {video_id for recording in found for video_id in recording.ids}
    rows, erased = catalog.videos(sorted(ids)), catalog.erased(sorted(ids))
    candidates = []
    for recording in found:
        own = identity.own_id(recording, rows, taken)
        if own.video_id not in rows and recording.ids & erased:
            listing.leave_out(ERASED, recording.metadata.title or recording.source.url)
            continue
        if own.video_id not in taken:
            taken.add(own.video_id)
            candidates.append(Candidate(own, rows.get(own.video_id)))
    return candidates


def _listed(sources: Sequence[str], settings: AllSettings, listing: Listing) -> Iterator[Recording]:
    """Yield the recordings of all sources; one that cannot be read does not hide the others."""
    for source in sources:
        try:
            yield from recordings(source, settings, listing)
        except IngestError as error:
            if len(sources) == 1:
                raise
            listing.fail(source, error)


def _is_recent(recording: Recording, selection: Selection, listing: Listing) -> bool:
    """Return whether a recording may be recent enough; without a date in the listing, the check stage decides."""
    since, published = selection.policy.published_after, selection.known.over(recording.metadata).published_at
    if since is None or published is None or published >= since:
        return True
    listing.leave_out(f"published before {since:%Y-%m-%d}", recording.metadata.title or recording.source.url)
    return False


def queued_ids(bus: NatsBus) -> Container[str]:
    """Return the videos that have a waiting or unacknowledged message: they may be too many for the memory.

    Reads both streams, and then what was added to them, because a message may move from one to the other meanwhile.
    """
    found = Texts()
    reached = {WORK_STREAM: 0, LATER_STREAM: 0}
    for stream, subject in ((WORK_STREAM, "ingest.>"), (LATER_STREAM, "ingest.later.*")) * 2:
        while (message := bus.after(stream, subject, reached[stream])) is not None:
            reached[stream], data = message
            with suppress(IngestError):  # its stage will make it a dead letter
                found.add(decode(_AnyVideo, data).video_id)
    return found


class _AnyVideo(VideoMessage):
    """A message for any stage, of which only the video id is read."""

    model_config = ConfigDict(extra="ignore")


def build_request(recording: Recording, selection: Selection, generation: int) -> VideoRequested:
    """Return the request for a recording within the limits of the selection."""
    return VideoRequested(
        video_id=recording.video_id,
        generation=generation,
        source=recording.source,
        metadata=selection.known.over(recording.metadata),
        fresh_from=generation if selection.force else 0,
        policy=_policy(recording, selection.policy),
    )


def _policy(recording: Recording, wanted: Policy) -> Policy:
    """Return what is wanted of a recording, with the transcripts that its feed names where captions are wanted."""
    if wanted.captions is None or not recording.transcripts:
        return wanted
    wish = CaptionWish(use=wanted.captions.use, published=recording.transcripts)
    return wanted.model_copy(update={"captions": wish})


def publish_account(bus: NatsBus, listing: Listing) -> None:
    """Publish what a listing has left out, and what it could not read, as an event; nothing where that is nothing."""
    counts = Counter({reason: one.count for reason, one in listing.left_out.items()})
    counts.update(f"not read: {problem.error.code}" for problem in listing.problems)
    if counts:
        account = ListingAccount(at=datetime.now(UTC), left_out=dict(counts.most_common(MOST_REASONS)))
        subject = event_subject(Stage.CHECK)
        bus.publish(subject, encode(account), f"{subject}:listing:{uuid4().hex}")
