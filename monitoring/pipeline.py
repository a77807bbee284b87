"""The dashboard Pipeline: how much flows, where it waits, what goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring.panels import (
    RANGE,
    STAGES,
    Limit,
    Query,
    board,
    figure,
    graph,
    growth,
    of,
    quantile,
    row,
    speed,
    split,
    told,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard

TARGET_HOURS = 50  # of audio in an hour, on one GPU
HANDED_ON = ("finished", "indexed")
WAITING = f"sum({told('ingest_consumer_lag', consumer=STAGES)})"
IN_FLIGHT = f"sum({told('ingest_consumer_in_flight', consumer=STAGES)})"
DONE = speed("ingest_messages_total", outcome="indexed")
SPEED = speed("ingest_audio_seconds_total", stage="asr")

NOW = (
    row("Now"),
    figure(
        "Hours of audio in an hour",
        f"How much audio is transcribed in a second, in seconds, over all replicas. The target is {TARGET_HOURS} for "
        "one GPU.",
        Query(SPEED),
        unit="suffix: h/h",
        limit=Limit(TARGET_HOURS, bad="below"),
    ),
    figure(
        "Videos on their way",
        "Messages that wait in a queue or are in the hands of a worker; each is one video.",
        Query(f"{WAITING} + {IN_FLIGHT}"),
        unit="none",
    ),
    figure(
        "Time to the end",
        "Videos on their way, divided by how many a second become searchable. No data while none does.",
        Query(f"({WAITING} + {IN_FLIGHT}) / ({DONE} > 0)"),
        unit="s",
        empty="nothing finishes",
    ),
    figure(
        "Oldest message",
        "How long the message that waits longest has been in its queue.",
        Query(f"max({told('ingest_consumer_oldest_age_seconds', consumer=STAGES)})"),
        unit="s",
    ),
    figure(
        "Dead letters",
        "Messages that could not be handled and were kept: `ingest dead list` shows them.",
        Query(f"max({of('ingest_dead_letters')})"),
        unit="none",
        limit=Limit(1),
    ),
    figure(
        "Disk budget used",
        "Audio and transcripts on the shared volume, as a share of what they may take. Above 80 % downloads pause.",
        Query(f"max({of('ingest_disk_used_bytes')} / {of('ingest_disk_budget_bytes')})"),
        unit="percentunit",
        limit=Limit(0.9),
    ),
)

FLOW = (
    row("Flow"),
    graph(
        "Audio, by stage",
        f"Hours of audio in an hour that each stage finishes; the line is the target for one GPU, {TARGET_HOURS}. The "
        "lowest stage sets the pace.",
        Query(speed("ingest_audio_seconds_total", "stage"), "{{stage}}"),
        unit="suffix: h/h",
        limit=Limit(TARGET_HOURS, bad="below"),
    ),
    graph(
        "Videos, by stage",
        "Videos in an hour that each stage hands on.",
        Query(f"3600 * {speed('ingest_messages_total', 'stage', outcome=HANDED_ON)}", "{{stage}}"),
        unit="suffix: /h",
    ),
    graph(
        "In the hands of workers",
        "Messages that are being worked on, over all replicas.",
        Query(f"sum by (stage) ({of('ingest_messages_in_progress')})", "{{stage}}"),
        unit="none",
    ),
    graph(
        "Waiting messages",
        "Length of each queue, and what waits outside of it for its time. The queue that grows is in front of the "
        "stage that is too slow.",
        Query(told("ingest_consumer_lag"), "{{consumer}}"),
        Query(told("ingest_consumer_postponed"), "{{consumer}}, postponed"),
        unit="none",
    ),
    graph(
        "Age of the oldest message",
        "How long the first message of each queue has waited. It rises with the clock where nothing is fetched.",
        Query(told("ingest_consumer_oldest_age_seconds"), "{{consumer}}"),
        unit="s",
    ),
    graph(
        "Delivered, not yet answered",
        "Messages that the queue has given out. The limits of check and download hold for the whole fleet.",
        Query(told("ingest_consumer_in_flight"), "{{consumer}}"),
        unit="none",
    ),
    graph(
        "Time on a message",
        "From taking a message to the end of its work: the median and the slowest twentieth.",
        Query(quantile(0.5, "ingest_handling_seconds", "stage"), "{{stage}}, median"),
        Query(quantile(0.95, "ingest_handling_seconds", "stage"), "{{stage}}, 95 %"),
        unit="s",
    ),
    graph(
        "What the download slots do",
        "Each second of each slot belongs to one state; together they are 100 %.",
        split("ingest_slot_seconds_total"),
        unit="percentunit",
        stacked=True,
        at_most=1,
    ),
    graph(
        "What the text encoder does",
        "Each second of the embedder's device belongs to one state; together they are 100 %.",
        split("ingest_encoder_seconds_total"),
        unit="percentunit",
        stacked=True,
        at_most=1,
    ),
)

TROUBLE = (
    row("Trouble"),
    graph(
        "Failures, by code",
        "Videos that have failed, with their error code. `ingest status --state-is failed` names them.",
        Query(growth("ingest_messages_total", "code", outcome="failed"), "{{code}}"),
        unit="none",
        bars=True,
        empty="no failure since the services started",
    ),
    graph(
        "Again later, by code",
        "Messages that come back: retries are counted and end in a dead letter, postponements never do.",
        Query(
            growth("ingest_messages_total", "outcome, code", outcome=("retrying", "postponed")),
            "{{outcome}} {{code}}",
        ),
        unit="none",
        bars=True,
        empty="nothing came back since the services started",
    ),
    graph(
        "Deliveries that are not the first",
        "Messages that were delivered again: retries, postponements, and workers that died.",
        Query(growth("ingest_redeliveries_total", "stage"), "{{stage}}"),
        unit="none",
        bars=True,
        empty="no redelivery since the services started",
    ),
    graph(
        "Dead letters",
        "Messages that could not be handled. A rise is worth a look: `ingest dead list`.",
        Query(f"max({of('ingest_dead_letters')})", "dead letters"),
        unit="none",
        width=12,
    ),
    graph(
        "Downloads, by verdict",
        "How downloads have ended.",
        Query(growth("ingest_downloads_total", "verdict"), "{{verdict}}"),
        unit="none",
        width=12,
        bars=True,
    ),
    graph(
        "Held by a site's limit",
        "How long a site that has limited us is left alone by all downloaders. No video loses an attempt.",
        Query(f"max by (site) ({of('ingest_site_held_until_seconds')} > 0) - time()", "{{site}}"),
        unit="s",
        empty="no site limits us",
    ),
    graph(
        "Left of a site's budget",
        "Videos that all downloaders together may ask a site for right now. More come by the minute, up to the burst; "
        "at zero downloads wait for their turn.",
        Query(f"min by (site) ({of('ingest_site_budget_left')})", "{{site}}"),
        unit="none",
    ),
    graph(
        "Shared volume",
        "Space that audio and transcripts take, and their budget; above 80 % of it downloads pause.",
        Query(f"max({of('ingest_disk_used_bytes')})", "used"),
        Query(f"max({of('ingest_disk_budget_bytes')})", "budget"),
        unit="bytes",
    ),
)

ARCHIVE = (
    row("Archive"),
    graph(
        "Passages",
        "Passages that were embedded, and rows that were stored, in a second.",
        Query(speed("ingest_passages_total"), "embedded"),
        Query(speed("ingest_rows_total"), "stored"),
        unit="suffix: /s",
    ),
    graph(
        "Time of a commit",
        "How long storing a video takes: one transaction, the median and the slowest twentieth.",
        Query(quantile(0.5, "ingest_commit_seconds"), "median"),
        Query(quantile(0.95, "ingest_commit_seconds"), "95 %"),
        unit="s",
    ),
    graph(
        "Stored in the time shown",
        "Rows that were added over the whole time range of the dashboard.",
        Query(growth("ingest_rows_total", over=RANGE), "rows"),
        unit="none",
    ),
)


def build() -> Dashboard:
    """Return the dashboard."""
    description = "How much flows through the stages, where it waits, and what goes wrong."
    return board("ingest-pipeline", "ingest: pipeline", description, [*NOW, *FLOW, *TROUBLE, *ARCHIVE])
