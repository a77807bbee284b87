"""`ingest status`: what the table of videos says."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.local.state_folder import connected
from ingest.cli.runs import bottleneck
from ingest.downloader.rate_limit import Budget
from ingest.downloader.rate_limiter import RateLimiter
from ingest.embedder.catalog import Catalog, Total, VideoRow
from ingest.shared import video_state
from ingest.shared.broker.topology import WORK_STREAM
from ingest.shared.errors import ConfigurationError
from ingest.shared.messages import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingest.cli.runs.bottleneck import Devices
    from ingest.cli.settings import AllSettings
    from ingest.downloader.rate_limit import SiteState
    from ingest.embedder.catalog import SpeakerRow
    from ingest.shared.broker.bus import Lag


def show(
    settings: AllSettings,
    video: str | None,
    *,
    states: Sequence[str] | None,
    codes: Sequence[str] | None,
    limit: int,
    as_json: bool,
) -> None:
    """Print one video, a list of videos, or the totals."""
    with connected(settings) as to:
        catalog = Catalog(to.archive)
        if video is not None:
            _print_video(catalog, video, as_json=as_json)
        elif states or codes:
            _print_list(catalog.chosen(states=states, codes=codes, limit=limit), as_json=as_json)
        else:
            lags = {stage: to.bus.lag(stage, WORK_STREAM) for stage in Stage}
            budget = Budget(settings.site_videos_per_hour, settings.site_burst)
            held = held_until(RateLimiter(to.bus, budget).sites())
            devices = bottleneck.devices([catalog.device_seconds()])
            _print_totals(catalog.totals(), lags, devices, held, as_json=as_json)


def _print_video(catalog: Catalog, video: str, *, as_json: bool) -> None:
    row = catalog.videos([video]).get(video)
    if row is None:
        raise ConfigurationError(f"the archive knows no video {video}")
    speakers = [item for item in catalog.speakers(video) if item.speaker is not None]
    if as_json:
        console.print_json({**asdict(row), "speakers": speakers})
        return
    facts = [
        ("title", row.title),
        ("channel", row.channel),
        ("published", row.published_at and f"{row.published_at:%Y-%m-%d}"),
        ("length", row.duration_s and console.clock(row.duration_s)),
        ("source", row.source_url),
        ("state", f"{row.state} (stage {row.stage}, attempt {row.attempts}, generation {row.generation})"),
        ("error", row.error_code and f"{row.error_code}: {row.error_message}"),
        ("advice", console.advice(row.error_code)),
        ("comes back", row.retry_at and f"{row.retry_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("passages", row.passages),
        ("language", row.language),
        *sorted((name, value) for name, value in row.figures.items() if name != video_state.ASKED_AT),
    ]
    console.out.print(console.table(row.video_id, ("", ""), ((name, value) for name, value in facts if value)))
    if speakers:
        cells = (
            (item.speaker, console.clock(item.duration_s), item.passages, item.overlapping or None, _score(item))
            for item in speakers
        )
        columns = ("speaker", "speaks", "passages", "overlapped", "least score")
        console.out.print(console.table("\nWho speaks", columns, cells))


def _score(item: SpeakerRow) -> str | None:
    return None if item.least_score is None else f"{item.least_score:.2f}"


def _print_list(rows: Sequence[VideoRow], *, as_json: bool) -> None:
    if as_json:
        console.print_json(rows)
        return
    cells = ((row.video_id, row.state, row.title, row.error_code, row.error_message) for row in rows)
    console.out.print(console.table(f"{len(rows)} videos", ("video", "state", "title", "code", "message"), cells))


def held_until(sites: Mapping[str, SiteState]) -> dict[str, datetime]:
    """Return the sites that have limited us, and until when they are left alone."""
    return {site: datetime.fromtimestamp(known.open_until, UTC) for site, known in sites.items() if known.is_open}


def _print_totals(
    totals: Sequence[Total], lags: dict[Stage, Lag], devices: Devices, held: dict[str, datetime], *, as_json: bool
) -> None:
    if as_json:
        by_stage = {str(stage): lag for stage, lag in lags.items()}
        console.print_json({"videos": totals, "queues": by_stage, "devices": devices, "held_until": held})
        return
    cells = (
        (item.state, item.error_code, item.videos, console.hours(item.duration_s), item.passages) for item in totals
    )
    console.out.print(console.table("Videos", ("state", "reason", "videos", "audio", "passages"), cells))
    queues = ((stage, lag.waiting, lag.in_hand) for stage, lag in lags.items())
    console.out.print(console.table("\nQueues", ("stage", "waiting", "in hand"), queues))
    for site, until in held.items():
        console.out.print(f"\n{site}: held by the site's limit until {until:%Y-%m-%d %H:%M:%S} UTC", markup=False)
    for line in bottleneck.lines(devices):
        console.out.print(f"\nOver all recordings: {line}")
