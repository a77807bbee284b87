"""`ingest run` and `ingest submit`: request recordings, and follow them until they are finished."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.local.state_folder import open_connections
from ingest.cli.runs import bottleneck, submissions
from ingest.cli.runs.display import Display
from ingest.cli.runs.follower import Follower
from ingest.cli.runs.tally import Tally, count
from ingest.downloader.rate_limit import Budget
from ingest.downloader.rate_limiter import RateLimiter
from ingest.shared.broker.bus import BusError
from ingest.shared.errors import ConfigurationError, IngestError
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.video_state import VideoRecord, VideoState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.cli.local.state_folder import Connections
    from ingest.cli.local.supervisor import Supervisor
    from ingest.cli.runs.selection import Selection
    from ingest.cli.settings import AllSettings
    from ingest.downloader.sources.connector import Recording
    from ingest.embedder.catalog import VideoRow

EVENT_WAIT_S = 0.2
UNFINISHED = (VideoState.QUEUED, VideoState.RUNNING, VideoState.POSTPONED, VideoState.DEFERRED)
log = get_logger(__name__)


@dataclass(frozen=True)
class RunResult:
    """The videos of a run in their last state; `requested` is how many of them this run has put into the queue."""

    videos: list[VideoRecord]
    tally: Tally
    elapsed_s: float
    interrupted: bool
    requested: int

    @property
    def status(self) -> int:
        """Return the exit status: 0, 3 when some failed, 130 when interrupted."""
        if self.interrupted:
            return console.INTERRUPTED
        return console.SOME_FAILED if self.tally.failed else console.OK


def run(settings: AllSettings, sources: Sequence[str], selection: Selection, *, quiet: bool) -> RunResult:
    """Bring recordings into the archive with services of this process; without sources, continue unfinished videos."""
    settings = _with_roots(settings, sources)
    with open_connections(settings, exclusive=True) as connections, catch_interrupts() as interrupts:
        follower, requested = _request(connections, sources, selection)
        if follower.is_done:
            return _result(follower, 0.0, requested, interrupted=False)
        supervisor = connections.state_folder.supervisor()
        supervisor.start()
        try:
            return _follow(follower, requested, interrupts, supervisor, quiet=quiet)
        finally:
            supervisor.stop(settings.grace_s)


def submit(
    settings: AllSettings, sources: Sequence[str], selection: Selection, *, wait: bool, quiet: bool
) -> RunResult:
    """Request the recordings of sources from services that run elsewhere. With `wait`, follow them to their end."""
    if wait and settings.is_local:
        raise ConfigurationError("no service would process the recordings: set INGEST_NATS_URL, or use `ingest run`")
    with open_connections(settings) as connections, catch_interrupts() as interrupts:
        follower, requested = _request(connections, sources, selection)
        if not wait:
            return _result(follower, 0.0, requested, interrupted=False)
        return _follow(follower, requested, interrupts, None, quiet=quiet)


def _request(connections: Connections, sources: Sequence[str], selection: Selection) -> tuple[Follower, int]:
    """Put recordings into the queue that are neither finished nor queued; return a follower of all, and the number."""
    follower = Follower(connections.bus)
    recordings = _find(connections, sources, selection, follower)
    follower.catch_up()
    known = list(follower.videos.values())
    queued = submissions.queued_ids(connections.bus) if any(video.generation for video in known) else set()
    missing = [video for video in known if video.video_id not in queued and (selection.force or not video.is_settled)]
    requested = 0
    for video in missing:
        recording = recordings.get(video.video_id)
        try:
            message = (
                submissions.build_request(recording, selection, submissions.next_generation(video))
                if recording
                else submissions.build_replacement(video)
            )
        except IngestError as error:  # of this video: the others are requested
            log.warning("left_out", video_id=video.video_id, code=error.code, error=error.message)
            follower.leave(video.video_id)
            continue
        submissions.publish(connections.bus, message, recording.cut if recording else ())
        follower.restart(video.video_id)
        requested += 1
    return follower, requested


def _find(
    connections: Connections, sources: Sequence[str], selection: Selection, follower: Follower
) -> dict[str, Recording]:
    """Let the follower follow the selected recordings of sources, or without sources the unfinished videos."""
    settings, catalog = connections.settings, connections.catalog
    recordings: dict[str, Recording] = {}
    with console.err.status("looking for recordings"):
        if sources:
            limiter = RateLimiter(connections.bus, Budget(settings.site_videos_per_hour, settings.site_burst))
            for item in submissions.select(sources, selection, settings, catalog, limiter.refuse_while_open):
                recordings[item.recording.video_id] = item.recording
                follower.add(item.recording.video_id, item.row)
        else:
            for row in catalog.chosen(states=UNFINISHED):
                if row.source_url is not None:
                    _follow_known(follower, row)
    return recordings


def _follow_known(follower: Follower, row: VideoRow) -> None:
    """Follow a video of the table; log one whose row cannot be read, and go on with the next."""
    try:
        follower.add(row.video_id, row)
    except IngestError as error:
        log.warning("left_out", video_id=row.video_id, code=error.code, error=error.message)


def _follow(
    follower: Follower, requested: int, interrupts: list[bool], supervisor: Supervisor | None, *, quiet: bool
) -> RunResult:
    began = time.monotonic()
    with Display(follower.videos.values(), quiet=quiet) as display:
        while not follower.is_done and not interrupts:
            try:
                follower.step(EVENT_WAIT_S)
            except BusError as error:
                display.print_line(f"NATS does not answer: {error}")
            if supervisor is not None:
                for line in supervisor.watch():
                    display.print_line(line)
            display.update(follower.videos.values())
    return _result(follower, time.monotonic() - began, requested, interrupted=bool(interrupts))


def _result(follower: Follower, elapsed_s: float, requested: int, *, interrupted: bool) -> RunResult:
    videos = list(follower.videos.values())
    return RunResult(videos, count(videos), elapsed_s, interrupted, requested)


@contextmanager
def catch_interrupts() -> Iterator[list[bool]]:
    """Give a list that gets an entry at the first SIGINT (Ctrl-C) or SIGTERM; a second one ends the block at once."""
    seen: list[bool] = []

    def note(*_: object) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(True)
        console.err.print(
            "stopping: services finish their messages or return them to the queue (Ctrl-C again: at once)"
        )

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _with_roots(settings: AllSettings, sources: Sequence[str]) -> AllSettings:
    """Allow the services to read the local files and folders among the sources."""
    paths = [Path(source).expanduser().resolve() for source in sources if Path(source).expanduser().exists()]
    roots = ",".join(filter(None, [settings.file_roots, *map(str, paths)]))
    return settings.model_copy(update={"file_roots": roots})


def print_requested(result: RunResult, *, as_json: bool) -> None:
    """Print how many recordings were requested, and how many were known."""
    known = result.tally.total - result.requested
    if as_json:
        console.print_json({"requested": result.requested, "known": known})
    else:
        console.out.print(f"{result.requested} requested, {known} already known")


def print_result(result: RunResult, *, as_json: bool) -> None:
    """Print the summary of a run."""
    tally = result.tally
    if as_json:
        videos = [{"video_id": video.video_id, "state": video.state, "code": video.code} for video in result.videos]
        console.print_json(
            {"elapsed_s": round(result.elapsed_s, 2), "requested": result.requested, "tally": tally, "videos": videos}
        )
        return
    if not tally.total:
        console.out.print("nothing to do; name a source: ingest run SOURCE")
        return
    _print_summary(result)


def _print_summary(result: RunResult) -> None:
    out, tally = console.out, result.tally
    head = f"{tally.indexed} of {tally.total} indexed"
    others = ((tally.failed, "failed"), (tally.skipped, "skipped"), (tally.deferred, "deferred"))
    head += "".join(f", {number} {name}" for number, name in others if number)
    if result.elapsed_s and tally.indexed_s:
        head += f"; {console.hours(tally.indexed_s)} of audio in {console.clock(result.elapsed_s)}"
    out.print(head, style="bold")
    out.print(f"this run: {tally.fresh_downloads} downloads, {tally.fresh_transcripts} transcriptions")
    for line in bottleneck.lines(tally.devices):
        out.print(line)
    for code, number in sorted(tally.reasons.items()):
        out.print(f"  {code}: {number} ({console.advice(code)})", markup=False)
    for name, number in sorted(tally.cut.items()):
        out.print(f"  {name} of {number} recordings was cut or dropped: too long, or impossible", markup=False)
    if result.interrupted:
        out.print("interrupted: repeat the command to continue")
    elif tally.indexed:
        out.print('next: ingest search "words you remember"')
