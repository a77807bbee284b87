"""`ingest status`: totals, queues, lists and single videos from the table of videos."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.runs import bottleneck
from ingest.downloader.sites.holds import Troubles
from ingest.downloader.sites.rate_limiter import limiter_of
from ingest.embedder.postgres.index_state import LARGE, missing_indexes, running_build
from ingest.embedder.tables import corrections, set_aside, speaker_statements
from ingest.embedder.tables.catalog import DATED_BY
from ingest.embedder.text_model.model_files import is_english_only
from ingest.shared import outgoing
from ingest.shared.broker.topology import WORK_STREAM
from ingest.shared.errors import ConfigurationError
from ingest.shared.messages import SourceKind, Stage
from ingest.shared.progress import progress_of, without_progress
from ingest.shared.video_state import VideoState

MOST_RUNNING = 10
COMPARED = "asr.captions_compared"
DISAGREEMENT = "asr.captions_disagreement"

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingest.cli.local.state_folder import Connections
    from ingest.downloader.sites.rate_limit import SiteState
    from ingest.embedder.postgres.index_state import Build, MissingIndex
    from ingest.embedder.tables.catalog import Catalog, SpeakerRow, Total, VideoRow
    from ingest.shared.broker.bus import Lag


def show_video(catalog: Catalog, video: str, *, as_json: bool) -> None:
    """Print everything about one video; raise ConfigurationError when the archive does not have it."""
    row = catalog.videos([video]).get(video)
    if row is None:
        raise ConfigurationError(f"the archive has no video {video}")
    speakers = [item for item in catalog.speakers(video) if item.speaker is not None]
    if as_json:
        console.print_json({**asdict(row), "about": catalog.about(video), "speakers": speakers})
        return
    console.out.print(console.table(row.video_id, ("", ""), _fields(row)))
    if speakers:
        _print_speakers(speakers)


def _fields(row: VideoRow) -> list[tuple[str, object]]:
    """Return the names and values that are shown of a video."""
    fields = [
        ("title", row.title),
        ("channel", row.channel),
        ("published", _day(row)),
        ("length", row.duration_s and console.clock(row.duration_s)),
        ("source", _source(row)),
        ("state", f"{row.state} (stage {row.stage}, attempt {row.attempts}, generation {row.generation})"),
        ("progress", _progress(row)),
        ("error", row.error_code and f"{row.error_code}: {row.error_message}"),
        ("advice", console.advice(row.error_code)),
        ("retried at", row.retry_at and f"{row.retry_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("passages", row.passages),
        ("language", row.language),
        *sorted(without_progress(row.figures).items()),
    ]
    return [(name, value) for name, value in fields if value]


def _day(row: VideoRow) -> str | None:
    """Return the day of a recording, and where it is from; None where it is not known."""
    if row.published_at is None:
        return None
    by = DATED_BY.get(row.date_source or "")
    return f"{row.published_at:%Y-%m-%d}" + (f" ({by})" if by else "")


def _source(row: VideoRow) -> str | None:
    """Return where a recording is from; an address without what a terminal obeys, and without its login."""
    if row.source_url is None or row.source_kind == SourceKind.FILE:
        return row.source_url
    return outgoing.address(row.source_url)


def _progress(row: VideoRow) -> str | None:
    """Return how far a running video is, as `recognising 34 % of 3:00:00`."""
    progress = progress_of(row.figures, row.stage) if row.state == VideoState.RUNNING else None
    if progress is None:
        return None
    return f"{progress} of {console.clock(progress.length_s)}" if progress.length_s else str(progress)


def _print_speakers(speakers: Sequence[SpeakerRow]) -> None:
    cells = (
        (item.speaker, console.clock(item.duration_s), item.passages, item.overlapping or None, _score(item))
        for item in speakers
    )
    columns = ("speaker", "duration", "passages", "overlapped", "lowest score")
    console.out.print(console.table("\nSpeakers", columns, cells))


def _score(item: SpeakerRow) -> str | None:
    if item.named_by is not None:
        return f"by hand: {item.named_by}"
    return None if item.least_score is None else f"{item.least_score:.2f}"


def show_list(rows: Sequence[VideoRow], *, as_json: bool) -> None:
    """Print videos, a line each."""
    if as_json:
        console.print_json(rows)
        return
    columns: tuple[str, ...] = ("video", "state", "title", "code", "message")
    cells: list[tuple[object, ...]] = [
        (row.video_id, row.state, row.title, row.error_code, row.error_message) for row in rows
    ]
    if any(row.figures.get(COMPARED) for row in rows):
        columns = (*columns, "words that differ")
        cells = [(*cell, _difference(row)) for cell, row in zip(cells, rows, strict=True)]
    console.out.print(console.table(f"{len(rows)} videos", columns, cells))


def _difference(row: VideoRow) -> str | None:
    """Return the share of recognised words that differ from the captions; None where they were not compared."""
    return f"{row.figures[DISAGREEMENT]:.1%}" if row.figures.get(COMPARED) else None


def held_until(sites: Mapping[str, SiteState]) -> dict[str, datetime]:
    """Return the sites with an open circuit breaker, and the time until which it stays open."""
    return {site: datetime.fromtimestamp(known.open_until, UTC) for site, known in sites.items() if known.is_open}


def show_totals(connections: Connections, *, as_json: bool) -> None:
    """Print the number of videos by state and reason, the queues, the sites that limit us, and the bottleneck."""
    bus, catalog, settings = connections.bus, connections.catalog, connections.settings
    totals = catalog.totals()
    lags = {str(stage): bus.lag(stage, WORK_STREAM) for stage in Stage}
    devices = bottleneck.devices([catalog.device_seconds()])
    sites = limiter_of(settings, bus).sites()
    held = held_until(sites)
    resting = {site: known.account for site, known in sites.items() if known.account}
    holds = Troubles(bus).holds()
    aside = set_aside.count(connections.database)
    corrected = Counter(corrections.counts(connections.database))
    corrected_speakers = Counter(speaker_statements.counts(connections.database))
    unindexed = [one for one in missing_indexes(connections.database) if one.passages >= LARGE]
    build = running_build(connections.database)
    if as_json:
        values = {"videos": totals, "queues": lags, "devices": devices, "held_until": held, "holds": holds}
        more = {"accounts_resting": resting, "events_set_aside": aside, "missing_indexes": unindexed}
        more["index_build"] = build.done if build else None
        console.print_json({**values, **more, "corrections": corrected, "speaker_statements": corrected_speakers})
        return
    _print_totals(totals, lags)
    running = catalog.chosen(states=(VideoState.RUNNING,), limit=MOST_RUNNING)
    lines = [
        *(f"{outgoing.line(row.title or row.video_id)}: {text}" for row in running if (text := _progress(row))),
        *(
            f"{outgoing.line(site)}: held by the site's limit until {until:%Y-%m-%d %H:%M:%S} UTC"
            for site, until in held.items()
        ),
        *(f"{outgoing.line(site)} goes on as a guest: {outgoing.line(words)}" for site, words in resting.items()),
        *("\n".join(hold.lines()) for hold in holds),
    ]
    if aside:
        lines.append(f"{aside} events could not be written: `ingest aside list`, docs/runbooks.md#ingesteventssetaside")
    lines += corrections_advice(corrected[corrections.NEEDS_A_LOOK], corrected_speakers[corrections.NEEDS_A_LOOK])
    lines += index_lines(unindexed, build)
    lines += text_model_advice(settings.embedding_model, catalog.passages_by_language())
    lines += [f"Over the latest recordings: {line}" for line in bottleneck.lines(devices)]
    for line in lines:
        console.out.print(f"\n{line}", markup=False)


def index_lines(missing: Sequence[MissingIndex], build: Build | None) -> list[str]:
    """Return what is to be known about indexes that are missing, and about a build."""
    if build is not None:
        return [f"the vector index is being built: {build.done:.0%} (searches are slow until then)"]
    return [
        f"{one.model}: {'an invalid' if one.is_invalid else 'no'} vector index for about {one.passages} passages: "
        "`ingest migrate --index`, docs/runbooks.md#ingestvectorindexmissing"
        for one in missing
    ]


def corrections_advice(words: int, speakers: int) -> list[str]:
    """Return how to see the corrections of words and speakers that need a look, if there are any."""
    found = ((words, "correction", "ingest correct --list --look"), (speakers, "named speaker", "ingest voices named"))
    return [
        f"{count} {what} needs a look: `{command}`" if count == 1 else f"{count} {what}s need a look: `{command}`"
        for count, what, command in found
        if count
    ]


def text_model_advice(model: str, passages: Mapping[str, int]) -> list[str]:
    """Return what to do where most passages (their number by language) are in languages that a text model lacks."""
    foreign, total = sum(count for language, count in passages.items() if language != "en"), sum(passages.values())
    if not is_english_only(model) or 2 * foreign <= total:
        return []
    finding = f"{foreign} of {total} passages are not in English, the only language of {model}"
    return [f"{finding}: search knows their words alone (`ingest embed --model multilingual`, docs/commands.md)"]


def _print_totals(totals: Sequence[Total], lags: Mapping[str, Lag]) -> None:
    cells = (
        (item.state, item.error_code, item.videos, console.hours(item.duration_s), item.passages) for item in totals
    )
    console.out.print(console.table("Videos", ("state", "reason", "videos", "audio", "passages"), cells))
    queues = ((stage, lag.waiting, lag.in_flight) for stage, lag in lags.items())
    console.out.print(console.table("\nQueues", ("stage", "waiting", "in progress"), queues))
