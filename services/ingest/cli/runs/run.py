"""`ingest run` and `ingest submit`: request recordings, and follow them until they are finished."""

from __future__ import annotations

import json
import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.local.disk_room import DiskWatch
from ingest.cli.local.state_folder import open_connections
from ingest.cli.runs import submissions, vector_index
from ingest.cli.runs.again import Decision, Reason, decide
from ingest.cli.runs.display import Display
from ingest.cli.runs.follower import Follower
from ingest.cli.runs.room import Room
from ingest.cli.runs.tally import Tally, count
from ingest.cli.selection import Selection
from ingest.downloader.captions.beside import paths_beside
from ingest.downloader.check import UNDATED
from ingest.downloader.settings import listed_paths
from ingest.downloader.sites.holds import Hold, Troubles
from ingest.downloader.sites.rate_limiter import limiter_of
from ingest.downloader.sources import file
from ingest.downloader.sources.announced import figures
from ingest.downloader.sources.listing import Listing
from ingest.shared.broker import requests
from ingest.shared.broker.bus import BusError, BusRefusedError
from ingest.shared.captions import CaptionUse
from ingest.shared.errors import ConfigurationError, IngestError
from ingest.shared.messages import Policy, SourceKind, Stage
from ingest.shared.runs.record import publish_recordings
from ingest.shared.video_state import VideoRecord, VideoState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ingest.cli.local.state_folder import Connections, StateFolder
    from ingest.cli.local.supervisor import Supervisor
    from ingest.cli.settings import AllSettings
    from ingest.downloader.sources.connector import Recording
    from ingest.embedder.tables.catalog import VideoRow
    from ingest.shared.broker.nats_bus import NatsBus

EVENT_WAIT_S = 0.2
INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
LONGEST_VARIABLE = 100_000  # Linux takes 128 KiB in one variable of the environment
UNFINISHED = (VideoState.QUEUED, VideoState.RUNNING, VideoState.POSTPONED, VideoState.DEFERRED)


@dataclass
class Request:
    """The request of a command: what it named, what was found, and what was put into the queue."""

    sources: Sequence[str]
    selection: Selection
    listing: Listing = field(default_factory=Listing)
    recordings: dict[str, Recording] = field(default_factory=dict)
    again: list[Decision] = field(default_factory=list)
    generations: dict[str, int] = field(default_factory=dict)  # of the recordings that were requested
    run: str | None = None  # the name under which services may wait for the recordings
    waits_for_room: bool = False  # in the queue, which services that run elsewhere make

    @property
    def requested(self) -> int:
        """Return how many recordings were put into the queue."""
        return len(self.generations)

    def wants(self, video: VideoRecord, now: datetime) -> bool:
        """Return whether a video is put into the queue; note the decision on one that had ended."""
        if self.selection.force or not video.is_settled or video.is_due(now):
            return True
        recording = self.recordings.get(video.video_id)
        if recording is None:
            return False
        if is_first_version(video) and not is_only(self.selection.policy):
            return True
        decision = decide(video, recording.source, now)
        if decision.reason is not Reason.FINAL:
            self.again.append(decision)
        return decision.reason.is_request


def is_first_version(video: VideoRecord) -> bool:
    """Return whether the words of an indexed recording are those of captions alone: it can still be recognised."""
    return video.state is VideoState.INDEXED and is_only(video.policy)


def is_only(policy: Policy) -> bool:
    """Return whether captions alone are wanted of a recording."""
    return policy.captions is not None and policy.captions.use is CaptionUse.ONLY


@dataclass(frozen=True)
class RunResult:
    """The videos of a run in their last state, and how they were found."""

    videos: list[VideoRecord]
    tally: Tally
    elapsed_s: float
    interrupted: bool
    request: Request
    holds: list[Hold] = field(default_factory=list)

    @property
    def undated(self) -> list[VideoRecord]:
        """Return the recordings of unknown day that --since has let in, and that are still without one."""
        named = f"{Stage.CHECK}.{UNDATED}"
        return [one for one in self.videos if one.figures.get(named) and one.metadata.published_at is None]

    @property
    def requested(self) -> int:
        """Return how many recordings were put into the queue."""
        return self.request.requested

    @property
    def status(self) -> int:
        """Return the exit status: 0, 3 when recordings failed or a source could not be read, 130 when interrupted."""
        if self.interrupted:
            return console.INTERRUPTED
        return console.SOME_FAILED if self.tally.failed or self.request.listing.problems else console.OK


@dataclass(frozen=True)
class RequestSession:
    """A request whose recordings are in the queue, their follower, and a list that gets an entry at an interrupt."""

    connections: Connections
    request: Request
    follower: Follower
    interrupts: list[bool]

    def result(self, elapsed_s: float = 0.0) -> RunResult:
        """Return the videos in their present state."""
        videos = list(self.follower.videos.values())
        return RunResult(videos, count(videos), elapsed_s, bool(self.interrupts), self.request, self._holds())

    def _holds(self) -> list[Hold]:
        """Return which sites are held; none while NATS does not answer."""
        try:
            return Troubles(self.connections.bus).holds()
        except BusError:
            return []


def run(settings: AllSettings, sources: Sequence[str], selection: Selection, *, quiet: bool) -> RunResult:
    """Bring recordings into the archive with services of this process; without sources, continue unfinished videos."""
    settings = _with_roots(settings, sources, with_captions=selection.policy.captions is not None)
    with _requested(settings, sources, selection, exclusive=True) as requested:
        if requested.follower.is_done or requested.interrupts:
            return requested.result()
        return _served(requested, requested.connections.state_folder, quiet=quiet)


def _served(requested: RequestSession, folder: StateFolder, *, quiet: bool) -> RunResult:
    """Run services until the recordings are finished."""
    supervisor = folder.supervisor()
    supervisor.start()
    try:
        result = _follow(requested, supervisor, quiet=quiet)
    finally:
        supervisor.stop()
    if not result.interrupted:
        vector_index.build_where_large(requested.connections.database, lambda: bool(requested.interrupts))
    return result


def repeat(settings: AllSettings, choose: Callable[[Connections], Iterable[VideoRow]], *, quiet: bool) -> RunResult:
    """Request recordings of the archive again; in the local mode, follow them with services of this process."""
    with open_connections(settings, exclusive=settings.is_local) as connections:
        request = Request((), Selection(force=True), waits_for_room=not settings.is_local)
        follower = Follower(connections.bus)
        rows = {row.video_id: row for row in choose(connections)}
        for video_id, row in rows.items():
            _add(follower, video_id, row, request.listing)
        with catch_interrupts() as interrupts:
            _publish(connections, request, follower, interrupts)
            requested = RequestSession(connections, request, follower, interrupts)
            if not settings.is_local or follower.is_done or interrupts:
                return requested.result()
            folder = connections.state_folder
            files = [row.source_url for row in rows.values() if row.source_kind == SourceKind.FILE and row.source_url]
            return _served(requested, replace(folder, settings=_with_roots(folder.settings, files)), quiet=quiet)


def submit(
    settings: AllSettings,
    sources: Sequence[str],
    selection: Selection,
    *,
    wait: bool,
    quiet: bool,
    run_name: str | None = None,
) -> RunResult:
    """Request the recordings of sources from services that run elsewhere. With `wait`, follow them to their end.

    Services that are started with `--until-settled` and the name of the run end after these recordings.
    """
    if wait and settings.is_local:
        raise ConfigurationError("no service would process the recordings: set INGEST_NATS_URL, or use `ingest run`")
    with _requested(settings, sources, selection, run_name=run_name) as requested:
        if requested.interrupts or not wait:
            return requested.result()
        return _follow(requested, None, quiet=quiet)


@contextmanager
def _requested(
    settings: AllSettings,
    sources: Sequence[str],
    selection: Selection,
    *,
    exclusive: bool = False,
    run_name: str | None = None,
) -> Iterator[RequestSession]:
    """Find the recordings and put them into the queue; an interrupt while they are looked for leaves none."""
    with open_connections(settings, exclusive=exclusive) as connections:
        request = Request(sources, selection, run=run_name, waits_for_room=not (exclusive or settings.is_local))
        follower = Follower(connections.bus)
        is_found = False
        with suppress(KeyboardInterrupt), ending_at_once():
            _find(connections, request, follower)
            is_found = True
        with catch_interrupts() as interrupts:
            if is_found:
                _publish(connections, request, follower, interrupts)
            else:
                follower.videos.clear()
                interrupts.append(True)
            yield RequestSession(connections, request, follower, interrupts)


def _find(connections: Connections, request: Request, follower: Follower) -> None:
    """Let the follower follow the selected recordings of sources, or without sources the unfinished videos."""
    settings, catalog = connections.settings, connections.catalog
    with console.err.status("looking for recordings"):
        if request.sources:
            request.listing = Listing(limiter_of(settings, connections.bus).refuse_while_open)
            for item in submissions.select(request.sources, request.selection, settings, catalog, request.listing):
                request.recordings[item.recording.video_id] = item.recording
                _add(follower, item.recording.video_id, item.row, request.listing)
        else:
            for row in catalog.chosen(states=UNFINISHED):
                if row.source_url is not None:
                    _add(follower, row.video_id, row, request.listing)


def _publish(connections: Connections, request: Request, follower: Follower, interrupts: list[bool]) -> None:
    """Put the recordings into the queue that are neither finished nor queued, until the user interrupts."""
    follower.catch_up()
    known = list(follower.videos.values())
    queued = submissions.queued_ids(connections.bus) if any(video.generation for video in known) else set()
    may_wait = Room(lambda: bool(interrupts)).wait if request.waits_for_room else requests.never
    with console.err.status("requesting recordings") as shown:
        for number, video in enumerate(known):
            if interrupts:
                return
            if video.video_id not in queued and request.wants(video, datetime.now(UTC)):
                try:
                    _ask(connections.bus, request, follower, video, may_wait)
                except BusRefusedError:
                    if interrupts:
                        return
                    raise
            shown.update(f"requesting recordings: {number + 1} of {len(known)}")
    submissions.publish_account(connections.bus, request.listing)
    if request.run is not None:
        known_ones = {video.video_id: max(1, video.generation) for video in follower.videos.values()}
        publish_recordings(connections.bus, request.run, known_ones | request.generations)


def _ask(bus: NatsBus, request: Request, follower: Follower, video: VideoRecord, may_wait: Callable[[], bool]) -> None:
    """Put a recording into the queue; note the one for which no request is possible."""
    recording = request.recordings.get(video.video_id)
    try:
        message = (
            submissions.build_request(recording, request.selection, requests.next_generation(video))
            if recording
            else requests.build_replacement(video)
        )
    except IngestError as error:  # of this video: the others are requested
        request.listing.fail(video.video_id, error)
        follower.leave(video.video_id)
        return
    requests.publish(bus, message, figures(recording.cut, "listing_") if recording else None, may_wait=may_wait)
    follower.restart(video.video_id)
    request.generations[video.video_id] = message.generation


def _add(follower: Follower, video_id: str, row: VideoRow | None, listing: Listing) -> None:
    """Follow a video; note one whose row cannot be read."""
    try:
        follower.add(video_id, row)
    except IngestError as error:
        listing.fail(video_id, error)


def _follow(requested: RequestSession, supervisor: Supervisor | None, *, quiet: bool) -> RunResult:
    began = time.monotonic()
    follower = requested.follower
    settings = requested.connections.settings
    disks = DiskWatch(folder for folder in (settings.state_path, settings.volume_path) if folder is not None)
    with Display(follower.videos.values(), quiet=quiet) as display:
        while not follower.is_done and not requested.interrupts:
            try:
                follower.step(EVENT_WAIT_S)
            except BusError as error:
                display.print_line(f"NATS does not answer: {error}")
            if supervisor is not None:
                for line in (*disks.news(), *supervisor.watch()):
                    display.print_line(line)
            display.update(follower.videos.values())
    return requested.result(time.monotonic() - began)


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Let SIGINT (Ctrl-C) and SIGTERM raise KeyboardInterrupt inside the block."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def catch_interrupts() -> Iterator[list[bool]]:
    """Give a list that gets an entry at the first SIGINT (Ctrl-C) or SIGTERM; a second one ends the block at once."""
    seen: list[bool] = []

    def note(*_: object) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(True)
        with suppress(RuntimeError):  # the signal arrived within a write to the same stream
            console.err.print(
                "stopping: services finish their messages or return them to the queue (Ctrl-C again: at once)"
            )

    before = {number: signal.signal(number, note) for number in INTERRUPTS}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _with_roots(settings: AllSettings, sources: Sequence[str], *, with_captions: bool = False) -> AllSettings:
    """Allow the services to read the local files and folders among the sources, and what links in them lead to.

    Where captions are wanted, those beside a file may be read, too.
    """
    found = [Path(source).expanduser() for source in sources if source.strip() and file.recognises(source)]
    roots = [*map(str, listed_paths(settings.file_roots)), *(str(file.read_with(path)) for path in found)]
    if with_captions:
        roots += [captions for path in found if path.is_file() for captions in paths_beside(path.absolute())]
    text = json.dumps(roots)
    if len(text) > LONGEST_VARIABLE:
        folders = {str(path.absolute() if path.is_dir() else path.absolute().parent) for path in found}
        text = json.dumps([*map(str, listed_paths(settings.file_roots)), *sorted(folders)])
    return settings.model_copy(update={"file_roots": text, "file_links": True})
