"""Builds the downloader: two stages, their limits, the rate limiter, the disk gate and the metrics."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ingest.downloader import javascript, pot_provider, telemetry, ytdlp_age
from ingest.downloader.check import Check
from ingest.downloader.disk_gate import DiskGate
from ingest.downloader.exits import exits
from ingest.downloader.fetch import Fetch, Pace
from ingest.downloader.settings import DownloaderSettings, listed, listed_paths
from ingest.downloader.sites.breaker import Breaker
from ingest.downloader.sites.given_up import GivenUp
from ingest.downloader.sites.holds import Troubles
from ingest.downloader.sites.rate_limiter import RateLimiter, limiter_of
from ingest.downloader.sources.connector import Access, site_options
from ingest.downloader.sources.registry import connector_of
from ingest.shared import pipeline
from ingest.shared.homes.chosen import volume_of
from ingest.shared.messages import Source, SourceKind, Stage
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import DecodeLimits
from ingest.shared.telemetry.time_split import PUBLISHING, WAITING_FOR_DISK
from ingest.shared.worker.service import ServiceSpec
from ingest.shared.worker.stage import StageWork

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.downloader.exits import Exit
    from ingest.downloader.sites.rate_limiter import RateLimiter
    from ingest.shared.artifacts.volume import Volume
    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.messages import VideoAccessible, VideoRequested

WRITING_TIME_S = 300.0


def build(settings: DownloaderSettings, bus: NatsBus) -> ServiceSpec:
    """Return the two stages of the downloader; raise ENV_JS_RUNTIME when YouTube could not be read."""
    javascript.version()
    if settings.youtube_pot_provider:
        pot_provider.plugin_version()
    if settings.youtube_extractor_args:
        from ingest.downloader.sources import session  # its imports take long

        session.arguments(settings.youtube_extractor_args)
    telemetry.show_ytdlp_release(ytdlp_age.version())
    volume = volume_of(settings)
    limiter = limiter_of(settings, bus)
    gauges = telemetry.SiteGauges(limiter, Troubles(bus)).thread()
    gauges.start()
    stages = (_check_stage(settings, volume, limiter, bus), _download_stage(settings, volume, limiter, bus))
    return ServiceSpec(stages=stages, stop=gauges.stop)


def canary(access: Access) -> Callable[[str, Exit | None], object]:
    """Return a function that asks YouTube, through an exit, whether the video at an address can be had."""
    connector = connector_of(SourceKind.YOUTUBE)
    return lambda url, way: connector.check(Source(kind=SourceKind.YOUTUBE, url=url), access.through(way))


def _check_stage(
    settings: DownloaderSettings, volume: Volume, limiter: RateLimiter, bus: NatsBus
) -> StageWork[VideoRequested]:
    access = _access(settings, _site_limits(settings, settings.check_deadline_s))
    deadline_s = 3 * settings.check_deadline_s + WRITING_TIME_S  # a probe asks for the canary first, a guest an account
    breaker = Breaker(bus, Stage.CHECK, limiter.permit, canary(access), GivenUp(bus, Stage.CHECK))
    check = Check(volume, access, settings.max_audio_s, breaker.permit, _has_accounts(settings))
    return StageWork(
        spec=pipeline.CHECK,
        handle=telemetry.counting_cuts(check),
        deadline_s=lambda _: deadline_s,
        slots=settings.check_workers,
        gave_up=breaker.gave_up,
    )


def _download_stage(
    settings: DownloaderSettings, volume: Volume, limiter: RateLimiter, bus: NatsBus
) -> StageWork[VideoAccessible]:
    file_bytes = 2 * settings.max_download_bytes  # yt-dlp's own limit must be reached first: it gives TOO_LARGE
    slots = telemetry.slot_times(settings.io_workers)
    breaker = Breaker(bus, Stage.DOWNLOAD, limiter.permit, given_up=GivenUp(bus, Stage.DOWNLOAD))
    fetch = Fetch(
        volume=volume,
        scratch=settings.scratch,
        access=_access(settings, _site_limits(settings, settings.download_deadline_s, file_bytes)),
        probe_limits=ChildLimits(settings.download_deadline_s),
        decode_limits=DecodeLimits(max_duration_s=settings.max_audio_s),
        pace=Pace(settings.min_rate_bytes_s, settings.rate_window_s),
        permit=breaker.permit,
        has_accounts=_has_accounts(settings),
        doing=slots.doing,
    )
    gate = DiskGate(telemetry.disk_usage(volume, settings.disk_budget_bytes), settings.disk_budget_bytes)
    deadline_s = 2 * settings.download_deadline_s + WRITING_TIME_S
    return StageWork(
        spec=pipeline.DOWNLOAD,
        handle=telemetry.counting_cuts(telemetry.counting_downloads(fetch)),
        deadline_s=lambda _: deadline_s,
        slots=settings.io_workers,
        held=gate.pause_reason,
        talking=partial(slots.doing, PUBLISHING),
        pausing=partial(slots.doing, WAITING_FOR_DISK),
        gave_up=breaker.gave_up,
    )


def _has_accounts(settings: DownloaderSettings) -> bool:
    return any(way.cookies_file for way in exits(settings))


def _access(settings: DownloaderSettings, limits: ChildLimits) -> Access:
    return Access(site_options(settings), limits, listed_paths(settings.file_roots), follows_links=settings.file_links)


def _site_limits(
    settings: DownloaderSettings, deadline_s: float, file_bytes: int = ChildLimits.file_bytes
) -> ChildLimits:
    """Return the limits of a child that makes requests to a site; a connector adds what it needs."""
    hosts = listed(settings.allowed_hosts)
    return ChildLimits(deadline_s, file_bytes=file_bytes, network=True, hosts=hosts)
