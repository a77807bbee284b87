"""The dashboard Videos: how they end, what is slow, what comes back, how good the transcripts are, who speaks.

No metric carries a video's name: their number has no bound. `ingest status` names them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring.panels import RANGE, STAGES, Limit, Query, board, figure, graph, growth, of, quantile, row, speed, told

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard
    from grafana_foundation_sdk.builders.stat import Panel

MESSAGES = "ingest_messages_total"
BAD_ENDS = ("failed", "skipped", "deferred")


def ended(outcome: str, title: str, description: str) -> Panel:
    """Return a figure of how many videos have ended so."""
    return figure(
        title,
        f"{description} In the time range of the dashboard.",
        Query(growth(MESSAGES, over=RANGE, outcome=outcome)),
        unit="none",
        empty="none so far",
    )


STATES = (
    row("How they end"),
    ended("indexed", "Indexed", "Videos that became searchable."),
    ended("failed", "Failed", "Videos that were given up; each is a dead letter, with its reason."),
    ended("skipped", "Skipped", "Videos that are not for us: private, members only, too short ..."),
    ended(
        "deferred",
        "Deferred",
        "Videos that are available later: premieres, live streams. They come back by themselves.",
    ),
    figure(
        "Waiting",
        "Videos in a queue.",
        Query(f"sum({told('ingest_consumer_lag', consumer=STAGES)})"),
        unit="none",
    ),
    figure(
        "In hand",
        "Videos that a worker has.",
        Query(f"sum({of('ingest_messages_in_progress')})"),
        unit="none",
    ),
    graph(
        "Ends",
        "Videos that have ended, by how.",
        Query(growth(MESSAGES, "outcome", outcome=("indexed", *BAD_ENDS)), "{{outcome}}"),
        unit="none",
        width=12,
        bars=True,
    ),
    graph(
        "Reasons",
        "Why videos did not become searchable: outcome and error code. `ingest status --state-is failed` names them.",
        Query(growth(MESSAGES, "outcome, code", outcome=BAD_ENDS), "{{outcome}} {{code}}"),
        unit="none",
        width=12,
        bars=True,
        empty="every video became searchable",
    ),
)

SLOW = (
    row("What is slow"),
    graph(
        "The slowest",
        "Time on a message of each stage, of which one in a hundred takes longer.",
        Query(quantile(0.99, "ingest_handling_seconds", "stage"), "{{stage}}"),
        unit="s",
    ),
    graph(
        "The usual",
        "Time on a message of each stage, the median.",
        Query(quantile(0.5, "ingest_handling_seconds", "stage"), "{{stage}}"),
        unit="s",
    ),
    graph(
        "Waiting longest",
        "Age of the first message of each queue.",
        Query(told("ingest_consumer_oldest_age_seconds", consumer=STAGES), "{{consumer}}"),
        unit="s",
    ),
)

AGAIN = (
    row("What comes back"),
    graph(
        "Retries, by code",
        "Failures that are tried again, counted; the last try ends in a dead letter.",
        Query(growth(MESSAGES, "stage, code", outcome="retrying"), "{{stage}} {{code}}"),
        unit="none",
        bars=True,
        empty="no retry since the services started",
    ),
    graph(
        "Postponed, by code",
        "What waits for something that is not the video's fault (rate limit, disk, database); never counted.",
        Query(growth(MESSAGES, "stage, code", outcome="postponed"), "{{stage}} {{code}}"),
        unit="none",
        bars=True,
        empty="nothing was postponed since the services started",
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
    row("How good the transcripts are"),
    graph(
        "Segments",
        "Segments of speech in a second, and those that were read again because they were doubtful.",
        Query(speed("ingest_segments_total"), "all"),
        Query(speed("ingest_refined_segments_total"), "read again"),
        unit="suffix: /s",
    ),
    graph(
        "Doubtful segments",
        "Share of segments that look invented, by flag. They are kept, and marked.",
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
        "Hours of audio in an hour that each stage finishes.",
        Query(speed("ingest_audio_seconds_total", "stage"), "{{stage}}"),
        unit="suffix: h/h",
    ),
)

SPEAKERS = (
    row("Who speaks"),
    graph(
        "Diarization, by outcome",
        "Recordings by how it was found out who speaks: in full, by the fast path of one enrolled voice, or not at "
        "all. A failed one keeps its transcript, without speakers.",
        Query(growth("ingest_diarizations_total", "outcome"), "{{outcome}}"),
        unit="none",
        width=12,
        bars=True,
        empty="no pipeline is set: INGEST_DIARIZATION_MODEL",
    ),
    graph(
        "Speakers",
        "Speakers of recordings: with the name of an enrolled voice, or Unknown.",
        Query(growth("ingest_speakers_total", "verdict"), "{{verdict}}"),
        unit="none",
        width=12,
        bars=True,
        empty="no pipeline is set: INGEST_DIARIZATION_MODEL",
    ),
)


def build() -> Dashboard:
    """Return the dashboard."""
    description = "How videos end, what is slow, what comes back, how good the transcripts are, who speaks."
    return board("ingest-videos", "ingest: videos", description, [*STATES, *SLOW, *AGAIN, *QUALITY, *SPEAKERS])
