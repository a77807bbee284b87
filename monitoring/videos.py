"""The dashboard Videos: outcomes, slow stages, redeliveries, quality of the transcripts, speakers.

No metric has a label with a video: the number of videos has no bound. `ingest status` lists them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring.panels import (
    RANGE,
    Limit,
    Query,
    board,
    by_stage,
    figure,
    graph,
    growth,
    of,
    quantile,
    row,
    speed,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard
    from grafana_foundation_sdk.builders.stat import Panel

MESSAGES = "ingest_messages_total"
NOT_INDEXED = ("failed", "skipped", "deferred")


def ended(outcome: str, title: str, description: str) -> Panel:
    """Return a figure: the number of videos with this outcome."""
    return figure(
        title,
        f"{description} In the time range of the dashboard.",
        Query(growth(MESSAGES, over=RANGE, outcome=outcome)),
        unit="none",
        empty="none so far",
    )


STATES = (
    row("Outcomes"),
    ended("indexed", "Indexed", "Videos that became searchable."),
    ended("failed", "Failed", "Videos whose work failed for good; each is a dead letter with its reason."),
    ended("skipped", "Skipped", "Videos that cannot or should not be archived: private, members only, too short."),
    ended(
        "deferred",
        "Deferred",
        "Videos that become available later: premieres, live streams. They are requested again then.",
    ),
    figure(
        "Waiting",
        "Videos in a queue.",
        Query(f"sum({by_stage('ingest_consumer_lag')})"),
        unit="none",
    ),
    figure(
        "In progress",
        "Videos that a worker handles at present.",
        Query(f"sum({of('ingest_messages_in_progress')})"),
        unit="none",
    ),
    graph(
        "Outcomes",
        "Finished videos, by outcome.",
        Query(growth(MESSAGES, "outcome", outcome=("indexed", *NOT_INDEXED)), "{{outcome}}"),
        unit="none",
        width=12,
        bars=True,
    ),
    graph(
        "Reasons",
        "Videos that were not indexed, by outcome and error code. `ingest status --state-is failed` lists them.",
        Query(growth(MESSAGES, "outcome, code", outcome=NOT_INDEXED), "{{outcome}} {{code}}"),
        unit="none",
        width=12,
        bars=True,
        empty="every video was indexed",
    ),
)

SLOW = (
    row("Slow stages"),
    graph(
        "Slowest messages",
        "Time per message of each stage: the 99th percentile.",
        Query(quantile(0.99, "ingest_handling_seconds", "stage"), "{{stage}}"),
        unit="s",
    ),
    graph(
        "Usual messages",
        "Time per message of each stage: the median.",
        Query(quantile(0.5, "ingest_handling_seconds", "stage"), "{{stage}}"),
        unit="s",
    ),
    graph(
        "Oldest message",
        "Age of the first message of each queue.",
        Query(by_stage("ingest_consumer_oldest_age_seconds"), "{{consumer}}"),
        unit="s",
    ),
)

REDELIVERIES = (
    row("Redeliveries"),
    graph(
        "Retries, by code",
        "Failures that are retried. Each counts as an attempt; the last one ends in a dead letter.",
        Query(growth(MESSAGES, "stage, code", outcome="retrying"), "{{stage}} {{code}}"),
        unit="none",
        bars=True,
        empty="no retry since the services started",
    ),
    graph(
        "Postponed, by code",
        "Messages that wait for a cause outside of the video (rate limit, disk, database); not counted as attempts.",
        Query(growth(MESSAGES, "stage, code", outcome="postponed"), "{{stage}} {{code}}"),
        unit="none",
        bars=True,
        empty="none since the services started",
    ),
    graph(
        "Redelivered",
        "Messages that were delivered more than once, by stage.",
        Query(growth("ingest_redeliveries_total", "stage"), "{{stage}}"),
        unit="none",
        bars=True,
        empty="no redelivery since the services started",
    ),
)

QUALITY = (
    row("Quality of the transcripts"),
    graph(
        "Segments",
        "Segments of speech per second, and those that were transcribed again because they were doubtful.",
        Query(speed("ingest_segments_total"), "all"),
        Query(speed("ingest_refined_segments_total"), "refined"),
        unit="suffix: /s",
    ),
    graph(
        "Doubtful segments",
        "Share of segments that may be hallucinated, by flag. They are kept and marked.",
        Query(
            f"{speed('ingest_flagged_segments_total', 'flag')} / on () group_left () {speed('ingest_segments_total')}",
            "{{flag}}",
        ),
        unit="percentunit",
        limit=Limit(0.05),
        empty="none was flagged since the services started",
    ),
    graph(
        "Audio, by stage",
        "Hours of audio per hour that each stage finishes.",
        Query(speed("ingest_audio_seconds_total", "stage"), "{{stage}}"),
        unit="suffix: h/h",
    ),
)

SPEAKERS = (
    row("Speakers"),
    graph(
        "Diarization, by outcome",
        "Recordings, by diarization: full, by the fast path of one enrolled voice, none, or failed. A recording whose "
        "diarization failed keeps its transcript, without speakers.",
        Query(growth("ingest_diarizations_total", "outcome"), "{{outcome}}"),
        unit="none",
        width=12,
        bars=True,
        empty="diarization is off: INGEST_DIARIZATION_MODEL is not set",
    ),
    graph(
        "Speakers",
        "Speakers of recordings, by whether they have the name of an enrolled voice or are Unknown.",
        Query(growth("ingest_speakers_total", "verdict"), "{{verdict}}"),
        unit="none",
        width=12,
        bars=True,
        empty="diarization is off: INGEST_DIARIZATION_MODEL is not set",
    ),
)


def build() -> Dashboard:
    """Return the dashboard."""
    description = "Outcomes of videos, slow stages, redeliveries, quality of the transcripts, speakers."
    return board("ingest-videos", "ingest: videos", description, [*STATES, *SLOW, *REDELIVERIES, *QUALITY, *SPEAKERS])
