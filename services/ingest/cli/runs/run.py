"""`ingest run` and `ingest submit`: ask for recordings, and follow them to their end."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.local.state_folder import Connected, connected
from ingest.cli.runs import bottleneck, submissions
from ingest.cli.runs.display import Display
from ingest.cli.runs.follower import Follower
from ingest.cli.runs.tally import Tally, count
from ingest.downloader.rate_limit import Budget
from ingest.downloader.rate_limiter import RateLimiter
from ingest.embedder.catalog import Catalog
from ingest.shared import video_state
from ingest.shared.broker.bus import BusError
from ingest.shared.errors import ConfigurationError
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.cli.local.supervisor import Supervisor
    from ingest.cli.runs.submissions import Choice
    from ingest.cli.settings import AllSettings
    from ingest.downloader.sources.connector import Recording
    from ingest.shared.video_state import VideoState

EVENT_WAIT_S = 0.2
UNFINISHED = (video_state.QUEUED, "running", "postponed", video_state.DEFERRED)
log = get_logger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What a run has come to."""

    videos: list[VideoState]
    tally: Tally
    elapsed_s: float
    interrupted: bool
    asked_for: int

    @property
    def status(self) -> int:
        """Return the exit status: 0, 3 when some failed, 130 when interrupted."""
        if self.interrupted:
            return console.INTERRUPTED
        return console.SOME_FAILED if self.tally.failed else console.OK


def run(settings: AllSettings, sources: Sequence[str], choice: Choice, *, quiet: bool) -> Outcome:
    """Bring recordings into the archive with services of our own; without sources, go on with what is unfinished."""
    settings = _with_roots(settings, sources)
    with connected(settings, exclusive=True) as to, interrupts() as interrupted:
        follower, asked = _ask(to, sources, choice)
        if follower.is_done:
            return _outcome(follower, 0.0, asked, interrupted=False)
        supervisor = to.home.supervisor()
        supervisor.start()
        try:
            return _watch(follower, asked, interrupted, supervisor, quiet=quiet)
        finally:
            supervisor.stop(settings.grace_s)


def submit(settings: AllSettings, sources: Sequence[str], choice: Choice, *, wait: bool, quiet: bool) -> Outcome:
    """Ask for the recordings of sources; the services are somewhere else. With `wait`, follow them to their end."""
    if wait and settings.is_local:
        raise ConfigurationError("no service would do the work: set INGEST_NATS_URL, or use `ingest run`")
    with connected(settings) as to, interrupts() as interrupted:
        follower, asked = _ask(to, sources, choice)
        if not wait:
            return _outcome(follower, 0.0, asked, interrupted=False)
        return _watch(follower, asked, interrupted, None, quiet=quiet)


def _ask(to: Connected, sources: Sequence[str], choice: Choice) -> tuple[Follower, int]:
    """Put into the queue what is neither done nor there already; return who follows everything that was wanted."""
    catalog = Catalog(to.archive)
    follower = Follower(to.bus)
    recordings: dict[str, Recording] = {}
    with console.err.status("looking for recordings"):
        if sources:
            limiter = RateLimiter(to.bus, Budget(to.settings.site_videos_per_hour, to.settings.site_burst))
            for item in submissions.choose(sources, choice, to.settings, catalog, limiter.refuse_while_open):
                recordings[item.recording.video_id] = item.recording
                follower.add(item.recording.video_id, item.row)
        else:
            for row in catalog.chosen(states=UNFINISHED):
                if row.source_url is not None:
                    follower.add(row.video_id, row)
    follower.catch_up()
    known = list(follower.videos.values())
    queued = submissions.queued_ids(to.bus) if any(video.generation for video in known) else set()
    wanted = [video for video in known if video.video_id not in queued and (choice.force or not video.is_settled)]
    for video in wanted:
        recording = recordings.get(video.video_id)
        again = submissions.first(recording, choice, video.generation + 1) if recording else submissions.instead(video)
        submissions.publish(to.bus, again)
        follower.restart(video.video_id)
    return follower, len(wanted)


def _watch(
    follower: Follower, asked: int, interrupted: list[bool], supervisor: Supervisor | None, *, quiet: bool
) -> Outcome:
    began = time.monotonic()
    with Display(follower.videos.values(), quiet=quiet) as display:
        while not follower.is_done and not interrupted:
            try:
                follower.step(EVENT_WAIT_S)
            except BusError as error:
                display.say(f"NATS does not answer: {error}")
            if supervisor is not None:
                for news in supervisor.watch():
                    display.say(news)
            display.update(follower.videos.values())
    return _outcome(follower, time.monotonic() - began, asked, interrupted=bool(interrupted))


def _outcome(follower: Follower, elapsed_s: float, asked: int, *, interrupted: bool) -> Outcome:
    videos = list(follower.videos.values())
    return Outcome(videos, count(videos), elapsed_s, interrupted, asked)


@contextmanager
def interrupts() -> Iterator[list[bool]]:
    """Give a list that gets an entry when the user presses Ctrl-C, or the process is asked to end."""
    seen: list[bool] = []

    def note(*_: object) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(True)
        console.err.print("stopping: what is in hand is finished or handed back (Ctrl-C again ends at once)")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _with_roots(settings: AllSettings, sources: Sequence[str]) -> AllSettings:
    """Allow the services to read the local files and folders that the user has named."""
    paths = [Path(source).expanduser().resolve() for source in sources if Path(source).expanduser().exists()]
    roots = ",".join(filter(None, [settings.file_roots, *map(str, paths)]))
    return settings.model_copy(update={"file_roots": roots})


def print_outcome(outcome: Outcome, *, as_json: bool) -> None:
    """Print the summary of a run."""
    tally = outcome.tally
    if not as_json and not tally.total:
        console.out.print("nothing to do; name a source: ingest run SOURCE")
        return
    if as_json:
        videos = [{"video_id": video.video_id, "state": video.state, "code": video.code} for video in outcome.videos]
        console.print_json(
            {"elapsed_s": round(outcome.elapsed_s, 2), "requested": outcome.asked_for, "tally": tally, "videos": videos}
        )
        return
    out = console.out
    head = f"{tally.indexed} of {tally.total} indexed"
    others = ((tally.failed, "failed"), (tally.skipped, "skipped"), (tally.deferred, "deferred"))
    head += "".join(f", {number} {name}" for number, name in others if number)
    if outcome.elapsed_s and tally.indexed_s:
        head += f"; {console.hours(tally.indexed_s)} of audio in {console.clock(outcome.elapsed_s)}"
    out.print(head, style="bold")
    out.print(f"this run: {tally.fresh_downloads} downloads, {tally.fresh_transcripts} transcriptions")
    for line in bottleneck.lines(tally.devices):
        out.print(line)
    for code, number in sorted(tally.reasons.items()):
        out.print(f"  {code}: {number} ({console.advice(code)})", markup=False)
    if outcome.interrupted:
        out.print("interrupted: the same command goes on where this one stopped")
    elif tally.indexed:
        out.print('next: ingest search "words you remember"')
