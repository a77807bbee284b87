"""Puts the downloader together."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.downloader import javascript
from ingest.downloader.check import Check
from ingest.downloader.disk_gate import DiskGate
from ingest.downloader.fetch import Fetch, Pace
from ingest.downloader.rate_limit import Budget
from ingest.downloader.rate_limiter import Governor, GovernorWatch
from ingest.downloader.settings import DownloaderSettings, listed
from ingest.downloader.sources import site_options
from ingest.shared.artifacts.volume import Volume
from ingest.shared.messages import Stage, VideoAccessible, VideoRequested
from ingest.shared.sandbox import child
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import DecodeLimits
from ingest.shared.telemetry import metrics
from ingest.shared.telemetry.time_split import PUBLISHING, WAITING_FOR_DISK, SlotTimes
from ingest.shared.worker.service import Room
from ingest.shared.worker.stage import StageWork

if TYPE_CHECKING:
    from ingest.shared.broker.nats_bus import NatsBus

WRITING_TIME_S = 300.0
SLOT_SECONDS = "Time of the download slots, all together, by what they do"


def build(settings: DownloaderSettings, bus: NatsBus) -> Room:
    """Return the two stages of the downloader; raise ENV_JS_RUNTIME where YouTube could not be read."""
    javascript.version()
    child.preload("ingest.downloader.ytdlp", "ingest.shared.sandbox.decode")
    volume = Volume(settings.volume)
    gate = _gate(volume, settings.disk_budget_bytes)
    slots = SlotTimes(settings.io_workers)
    metrics.show(metrics.StateSeconds("ingest_slot_seconds", SLOT_SECONDS, slots.seconds))
    options = site_options(settings)
    governor = Governor(bus, Budget(settings.site_videos_per_hour, settings.site_burst))
    watch = GovernorWatch(governor)
    watch.start()
    hosts, roots = listed(settings.allowed_hosts), tuple(map(Path, listed(settings.file_roots)))
    # No memory limit where a JavaScript engine runs: it reserves address space by the gigabyte.
    check_limits = ChildLimits(settings.check_deadline_s, memory_bytes=0, network=True, hosts=hosts)
    file_bytes = 2 * settings.max_download_bytes  # the download itself must be the first to say that it is too large
    site_limits = ChildLimits(
        settings.download_deadline_s, memory_bytes=0, file_bytes=file_bytes, network=True, hosts=hosts
    )
    fetch = Fetch(
        volume=volume,
        scratch=settings.scratch,
        options=options,
        site_limits=site_limits,
        probe_limits=ChildLimits(settings.download_deadline_s),
        decode_limits=DecodeLimits(max_duration_s=settings.max_audio_s),
        pace=Pace(settings.min_rate_bytes_s, settings.rate_window_s),
        file_roots=roots,
        slots=slots,
        leave=governor.leave,
    )
    check = Check(volume, options, check_limits, roots, settings.max_audio_s, governor.leave)
    check_deadline_s = settings.check_deadline_s + WRITING_TIME_S
    fetch_deadline_s = 2 * settings.download_deadline_s + WRITING_TIME_S
    return Room(
        stages=(
            StageWork(Stage.CHECK, VideoRequested, check, lambda _: check_deadline_s, settings.check_workers),
            StageWork(
                *(Stage.DOWNLOAD, VideoAccessible, fetch, lambda _: fetch_deadline_s, settings.io_workers, gate.held),
                talking=partial(slots.doing, PUBLISHING),
                pausing=partial(slots.doing, WAITING_FOR_DISK),
            ),
        ),
        stop=watch.stop,
    )


def _gate(volume: Volume, budget_bytes: int) -> DiskGate:
    def measured() -> int:
        used = volume.used_bytes()
        metrics.DISK_USED.tell(used)
        return used

    metrics.show(metrics.DISK_USED, metrics.DISK_BUDGET)
    metrics.DISK_BUDGET.tell(budget_bytes)
    return DiskGate(measured, budget_bytes)
