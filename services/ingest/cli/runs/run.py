"""`ingest run` and `ingest submit`: request recordings, and follow them until they are finished."""

from __future__ import annotations

import json
import signal
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.local.disk_room import DiskWatch
from ingest.cli.local.state_folder import open_connections
from ingest.cli.runs import submissions, vector_index
from ingest.cli.runs.asking import Asking
from ingest.cli.runs.display import Display
from ingest.cli.runs.follower import Follower
from ingest.cli.runs.request import Request
from ingest.cli.runs.tally import Tally, count
from ingest.cli.selection import Selection
from ingest.downloader.captions.beside import paths_beside
from ingest.downloader.check import UNDATED
from ingest.downloader.settings import listed_paths
from ingest.downloader.sites.holds import Hold, Troubles
from ingest.downloader.sites.rate_limiter import limiter_of
from ingest.downloader.sources import file
from ingest.downloader.sources.listing import Listing
from ingest.shared.broker.bus import BusError
from ingest.shared.errors import ConfigurationError, IngestError
from ingest.shared.messages import SourceKind, Stage
from ingest.shared.video_state import VideoRecord, VideoState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ingest.cli.local.state_folder import Connections, StateFolder
    from ingest.cli.local.supervisor import Supervisor
    from ingest.cli.settings import AllSettings
    from ingest.downloader.sources.connector import Recording
    from ingest.embedder.tables.catalog import VideoRow

    Found = tuple[str, VideoRow | None, Recording | None]  # a video, its row, and what a source says of it

EVENT_WAIT_S = 0.2
PAGE = 1000  # recordings that a submission finds and requests at a time
INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
LONGEST_VARIABLE = 100_000  # Linux takes 128 KiB in one variable of the environment
UNFINISHED = (VideoState.QUEUED, VideoState.RUNNING, VideoState.POSTPONED, VideoState.DEFERRED)


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
        interrupts: list[bool] = []
        requested = RequestSession(connections, request, Follower(connections.bus), interrupts)
        asking = Asking(connections.bus, request, requested.follower, interrupts)
        rows = {row.video_id: row for row in choose(connections)}
        for video_id, row in rows.items():
            asking.add(video_id, row)
        with catch_interrupts(interrupts):
            asking.publish()
            if not interrupts:
                asking.end()
            if not settings.is_local or requested.follower.is_done or interrupts:
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
    with _requested(settings, sources, selection, run_name=run_name, page=None if wait else PAGE) as requested:
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
    page: int | None = None,
) -> Iterator[RequestSession]:
    """Find the recordings and put them into the queue; an interrupt while they are looked for requests none of them.

    With `page`, so many are looked for and requested at a time, and are followed no longer.
    """
    with open_connections(settings, exclusive=exclusive) as connections:
        listing = Listing(limiter_of(connections.settings, connections.bus).refuse_while_open)
        is_remote = not (exclusive or settings.is_local)
        request = Request(sources, selection, listing, run=run_name, waits_for_room=is_remote)
        requested = RequestSession(connections, request, Follower(connections.bus), [])
        asking = Asking(connections.bus, request, requested.follower, requested.interrupts)
        pages = _pages(connections, request, page or sys.maxsize)
        while not requested.interrupts and _find(pages, requested, asking):
            with catch_interrupts(requested.interrupts):
                asking.publish()
            if page is None:
                break
            requested.follower.videos.clear()
        with catch_interrupts(requested.interrupts):
            if not requested.interrupts:
                asking.end()
            yield requested


def _pages(connections: Connections, request: Request, size: int) -> Iterator[list[Found]]:
    """Yield the selected recordings of sources page by page, or without sources the unfinished videos."""
    settings, catalog = connections.settings, connections.catalog
    if not request.sources:
        yield [(row.video_id, row, None) for row in catalog.chosen(states=UNFINISHED) if row.source_url is not None]
        return
    for page in submissions.pages(request.sources, request.selection, settings, catalog, request.listing, size=size):
        yield [(one.recording.video_id, one.row, one.recording) for one in page]


def _find(pages: Iterator[list[Found]], requested: RequestSession, asking: Asking) -> bool:
    """Let the follower follow the next page of recordings; return whether there is one."""
    request = requested.request
    try:
        with console.err.status("looking for recordings"), ending_at_once():
            page = next(pages, None)
            for video_id, row, _ in page or ():
                asking.add(video_id, row)
    except KeyboardInterrupt:
        requested.follower.videos.clear()
        requested.interrupts.append(True)
        return False
    except IngestError as error:  # of the only source
        if not request.requested + request.known:
            raise
        request.listing.fail(request.sources[0], error)
        return False
    request.recordings = {video_id: recording for video_id, _, recording in page or () if recording is not None}
    return page is not None


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
def catch_interrupts(seen: list[bool]) -> Iterator[None]:
    """Let a list get an entry at the first SIGINT (Ctrl-C) or SIGTERM; a second one ends the block at once."""

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
        yield
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
