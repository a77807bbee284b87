"""The downloader's metrics. Handlers, disk gate and rate limiter do not set them; `service` connects both."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from ingest.downloader.exits import is_youtube
from ingest.downloader.sources.announced import CUT
from ingest.downloader.ytdlp_age import released_at
from ingest.shared.broker.bus import BusError
from ingest.shared.errors import Code, IngestError
from ingest.shared.loop_thread import LoopThread
from ingest.shared.messages import Stage, TranscriptReady, VideoAccessible
from ingest.shared.telemetry import metrics
from ingest.shared.telemetry.time_split import SlotTimes

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.downloader.sites.holds import Troubles
    from ingest.downloader.sites.rate_limiter import RateLimiter
    from ingest.shared.artifacts.volume import Volume
    from ingest.shared.worker.stage import Report, StageResult

    Handler = Callable[[VideoAccessible, Report], StageResult]
    In = TypeVar("In")

SITES_EVERY_S = 15.0
SLOT_SECONDS = "Time of the download slots, all together, by what they do"


def counting_downloads(handle: Handler) -> Handler:
    """Return a handler that also counts each result of `handle`, and the length of what it downloaded."""

    def handle_and_count(message: VideoAccessible, report: Report) -> StageResult:
        try:
            done = handle(message, report)
        except IngestError as error:
            is_playlist = error.code is Code.NOT_AUDIO and error.is_final
            metrics.DOWNLOADS.labels("playlist" if is_playlist else error.code).inc()
            raise
        is_new = bool(done.numbers["fresh"])
        outcome = "fresh" if is_new else "captions" if isinstance(done.message, TranscriptReady) else "there_already"
        metrics.DOWNLOADS.labels(outcome).inc()
        if is_new:
            metrics.AUDIO_SECONDS.labels(Stage.DOWNLOAD).inc(done.numbers["audio_s"])
        return done

    return handle_and_count


def counting_cuts(handle: Callable[[In, Report], StageResult]) -> Callable[[In, Report], StageResult]:
    """Return a handler that also counts the fields of a source's answer that `handle` has cut."""

    def handle_and_count(message: In, report: Report) -> StageResult:
        done = handle(message, report)
        for name in done.numbers:
            if name.startswith(CUT):
                metrics.FIELDS_CUT.labels(name.removeprefix(CUT)).inc()
        return done

    return handle_and_count


def show_ytdlp_release(version: str) -> None:
    """Show on /metrics when a version of yt-dlp was released; nothing for a version that is no date."""
    with suppress(IngestError):
        metrics.YTDLP_RELEASED.set(released_at(version).timestamp())
        metrics.show(metrics.YTDLP_RELEASED)


def slot_times(slots: int) -> SlotTimes:
    """Return the clocks of the download slots, shown on /metrics."""
    times = SlotTimes(slots)
    metrics.show(metrics.StateSeconds("ingest_slot_seconds", SLOT_SECONDS, times.seconds))
    return times


def disk_usage(volume: Volume, budget_bytes: int) -> Callable[[], int]:
    """Return a function that measures the used bytes of a volume and shows them on /metrics beside the budget."""

    def measure() -> int:
        used = volume.used_bytes()
        metrics.DISK_USED.set(used)
        return used

    metrics.show(metrics.DISK_USED, metrics.DISK_BUDGET)
    metrics.DISK_BUDGET.set(budget_bytes)
    return measure


class SiteGauges:
    """Shows on /metrics which sites are limited or held, and the budget left, read in a thread of its own."""

    def __init__(self, limiter: RateLimiter, troubles: Troubles) -> None:
        self._limiter = limiter
        self._troubles = troubles
        self._held: set[tuple[str, ...]] = set()
        self._shown: set[str] = set()
        metrics.show(metrics.SITE_OPEN, metrics.SITE_HELD_UNTIL, metrics.SITE_BUDGET, metrics.SITE_FAILS_SINCE)

    def thread(self) -> LoopThread:
        """Return a thread that reads the state every `SITES_EVERY_S`."""
        return LoopThread("site-gauges", self.update)

    def update(self) -> float:
        """Read the state and set the gauges once; return the seconds until the next time."""
        try:
            sites = self._limiter.sites()
        except BusError:
            sites = {}
        for site in self._shown - sites.keys():
            metrics.SITE_BUDGET.clear(site)
            metrics.SITE_OPEN.clear(site)
            metrics.SITE_HELD_UNTIL.clear(site)
        for site, state in sites.items():
            metrics.SITE_OPEN.set(float(state.is_open), site)
            metrics.SITE_HELD_UNTIL.set(state.open_until, site)
            if is_youtube(site):
                metrics.SITE_BUDGET.set(state.tokens, site)
        self._shown = set(sites)
        self._show_holds()
        return SITES_EVERY_S

    def _show_holds(self) -> None:
        """Show what is held; while the broker is unreachable the gauges are absent."""
        try:
            holds = self._troubles.holds()
        except BusError:
            holds = []
        found = {(hold.site, hold.stage, str(hold.code)): hold.since.timestamp() for hold in holds}
        for labels in self._held - found.keys():
            metrics.SITE_FAILS_SINCE.clear(*labels)
        for labels, since in found.items():
            metrics.SITE_FAILS_SINCE.set(since, *labels)
        self._held = set(found)
