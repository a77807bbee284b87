"""The dashboard Pipeline: throughput, queues and failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring.panels import (
    RANGE,
    Limit,
    Query,
    board,
    by_consumer,
    by_stage,
    figure,
    graph,
    growth,
    of,
    quantile,
    row,
    speed,
    split,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard

TARGET_HOURS = 50  # of audio in an hour, on one GPU
SUCCEEDED = ("finished", "indexed")
WAITING = f"sum({by_stage('ingest_consumer_lag')})"
IN_FLIGHT = f"sum({by_stage('ingest_consumer_in_flight')})"
INDEXED = speed("ingest_messages_total", outcome="indexed")
SPEED = speed("ingest_audio_seconds_total", stage="asr")

NOW = (
    row("Now"),
    figure(
        "Hours of audio per hour",
        f"Seconds of audio transcribed per second, over all replicas. The target is {TARGET_HOURS} for one GPU.",
        Query(SPEED),
        unit="suffix: h/h",
        limit=Limit(TARGET_HOURS, bad="below"),
    ),
    figure(
        "Videos in progress",
        "Messages that wait in a queue or that a worker handles; each is one video.",
        Query(f"{WAITING} + {IN_FLIGHT}"),
        unit="none",
    ),
    figure(
        "Time remaining",
        "Videos in progress, divided by the number indexed per second. No data while none is indexed.",
        Query(f"({WAITING} + {IN_FLIGHT}) / ({INDEXED} > 0)"),
        unit="s",
        empty="no video was indexed",
    ),
    figure(
        "Oldest message",
        "Age of the oldest message of all queues.",
        Query(f"max({by_stage('ingest_consumer_oldest_age_seconds')})"),
        unit="s",
    ),
    figure(
        "Dead letters",
        "Messages whose work failed for good, kept with the reason: `ingest dead list` shows them.",
        Query(f"max({of('ingest_dead_letters')})"),
        unit="none",
        limit=Limit(1),
    ),
    figure(
        "Disk budget used",
        "Size of audio and transcripts on the shared volume, as a share of its budget. Above 80 % downloads pause.",
        Query(f"max({of('ingest_disk_used_bytes')} / {of('ingest_disk_budget_bytes')})"),
        unit="percentunit",
        limit=Limit(0.9),
    ),
)

FLOW = (
    row("Flow"),
    graph(
        "Audio, by stage",
        f"Hours of audio per hour that each stage finishes. The line is the target for one GPU, {TARGET_HOURS}. The "
        "slowest stage limits the throughput.",
        Query(speed("ingest_audio_seconds_total", "stage"), "{{stage}}"),
        unit="suffix: h/h",
        limit=Limit(TARGET_HOURS, bad="below"),
    ),
    graph(
        "Videos, by stage",
        "Videos per hour that each stage finishes.",
        Query(f"3600 * {speed('ingest_messages_total', 'stage', outcome=SUCCEEDED)}", "{{stage}}"),
        unit="suffix: /h",
    ),
    graph(
        "Messages in progress",
        "Messages that workers handle at present, over all replicas.",
        Query(f"sum by (stage) ({of('ingest_messages_in_progress')})", "{{stage}}"),
        unit="none",
    ),
    graph(
        "Waiting messages",
        "Length of each queue, and number of postponed messages, which wait outside of it. The queue that grows is in "
        "front of the stage that is too slow.",
        Query(by_consumer("ingest_consumer_lag"), "{{consumer}}"),
        Query(by_consumer("ingest_consumer_postponed"), "{{consumer}}, postponed"),
        unit="none",
    ),
    graph(
        "Age of the oldest message",
        "Age of the first message of each queue. It rises with the clock while no worker fetches.",
        Query(by_consumer("ingest_consumer_oldest_age_seconds"), "{{consumer}}"),
        unit="s",
    ),
    graph(
        "Delivered, not yet acknowledged",
        "Messages that NATS has delivered and that are not acknowledged. The limits of check and download hold for all "
        "replicas together.",
        Query(by_consumer("ingest_consumer_in_flight"), "{{consumer}}"),
        unit="none",
    ),
    graph(
        "Time per message",
        "Time from the delivery of a message to the end of its work: the median and the 95th percentile.",
        Query(quantile(0.5, "ingest_handling_seconds", "stage"), "{{stage}}, median"),
        Query(quantile(0.95, "ingest_handling_seconds", "stage"), "{{stage}}, 95 %"),
        unit="s",
    ),
    graph(
        "Download slots, by state",
        "Share of the time that the download slots spend in each state; the sum is 100 %.",
        split("ingest_slot_seconds_total"),
        unit="percentunit",
        stacked=True,
        at_most=1,
    ),
    graph(
        "Text encoder, by state",
        "Share of the time that the device of the embedder spends in each state; the sum is 100 %.",
        split("ingest_encoder_seconds_total"),
        unit="percentunit",
        stacked=True,
        at_most=1,
    ),
)

FAILURES = (
    row("Failures"),
    graph(
        "Failures, by code",
        "Videos that have failed, by error code. `ingest status --state-is failed` lists them.",
        Query(growth("ingest_messages_total", "code", outcome="failed"), "{{code}}"),
        unit="none",
        bars=True,
        empty="no failure since the services started",
    ),
    graph(
        "Retried and postponed, by code",
        "Messages that are delivered again on purpose. Retries count as attempts; the last one ends in a dead letter. "
        "Postponements do not count.",
        Query(
            growth("ingest_messages_total", "outcome, code", outcome=("retrying", "postponed")),
            "{{outcome}} {{code}}",
        ),
        unit="none",
        bars=True,
        empty="none since the services started",
    ),
    graph(
        "Redeliveries",
        "Messages that were delivered again: retries, postponements, and messages of workers that died.",
        Query(growth("ingest_redeliveries_total", "stage"), "{{stage}}"),
        unit="none",
        bars=True,
        empty="no redelivery since the services started",
    ),
    graph(
        "Dead letters",
        "Messages whose work failed for good: `ingest dead list` shows them.",
        Query(f"max({of('ingest_dead_letters')})", "dead letters"),
        unit="none",
        width=12,
    ),
    graph(
        "Downloads, by verdict",
        "Downloads that have ended, by result.",
        Query(growth("ingest_downloads_total", "verdict"), "{{verdict}}"),
        unit="none",
        width=12,
        bars=True,
    ),
    graph(
        "Pause by a site's limit",
        "Time for which all downloaders send no requests to a site that has blocked them. No attempt is counted.",
        Query(f"max by (site) ({of('ingest_site_held_until_seconds')} > 0) - time()", "{{site}}"),
        unit="s",
        empty="no site blocks our requests",
    ),
    graph(
        "Budget left for a site",
        "Videos that all downloaders together may request from a site at present. The budget refills every minute, up "
        "to the burst; at zero, downloads wait.",
        Query(f"min by (site) ({of('ingest_site_budget_left')})", "{{site}}"),
        unit="none",
    ),
    graph(
        "Shared volume",
        "Size of audio and transcripts, and the disk budget. Above 80 % of the budget downloads pause.",
        Query(f"max({of('ingest_disk_used_bytes')})", "used"),
        Query(f"max({of('ingest_disk_budget_bytes')})", "budget"),
        unit="bytes",
    ),
)

ARCHIVE = (
    row("Archive"),
    graph(
        "Passages",
        "Passages embedded per second, and rows stored per second.",
        Query(speed("ingest_passages_total"), "embedded"),
        Query(speed("ingest_rows_total"), "stored"),
        unit="suffix: /s",
    ),
    graph(
        "Time of a commit",
        "Time to store a video in one transaction: the median and the 95th percentile.",
        Query(quantile(0.5, "ingest_commit_seconds"), "median"),
        Query(quantile(0.95, "ingest_commit_seconds"), "95 %"),
        unit="s",
    ),
    graph(
        "Stored in the time range",
        "Rows that were added in the time range of the dashboard.",
        Query(growth("ingest_rows_total", over=RANGE), "rows"),
        unit="none",
    ),
)


def build() -> Dashboard:
    """Return the dashboard."""
    description = "Throughput of the stages, their queues, and failures."
    return board("ingest-pipeline", "ingest: pipeline", description, [*NOW, *FLOW, *FAILURES, *ARCHIVE])
