"""The dashboard GPU: how the time of the device is used, and the metrics of the card.

Metrics of the card have the names of dcgm-exporter, which may be another job. The UUID of the card selects them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring.panels import RATE, Limit, Query, banner, board, figure, graph, growth, of, quantile, row, speed, split

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard

BUDGET_BYTES = 9e9
GPU_SECONDS = "ingest_gpu_seconds_total"


def card(metric: str) -> str:
    """Return a value of each chosen card; two services on one card export the same."""
    return f'max by (UUID, modelName) (DCGM_FI_DEV_{metric}{{UUID=~"$card"}})'


def share(state: str) -> Query:
    """Return the share of the time that the devices spend in a state."""
    return Query(f"{speed(GPU_SECONDS, state=state)} / {speed(GPU_SECONDS)}")


NOW = (
    banner(
        "Real or simulated card",
        "A simulated card exports the same metrics as a real one. Time split, batches and speed are always measured.",
        Query('count(DCGM_FI_DEV_GPU_UTIL{UUID=~"$card",modelName="simulated"})'),
        present="SIMULATED CARD: use, memory, power, temperature and clocks below are not measurements",
        absent="no simulated card: the figures of cards below are measurements",
    ),
    figure(
        "Busy",
        "Share of the time in which the device recognized speech.",
        share("busy"),
        unit="percentunit",
        limit=Limit(0.9, bad="below"),
    ),
    figure(
        "Starved",
        "Share of the time in which nothing was queued for the device: downloads are too slow, or no work is left.",
        share("starved"),
        unit="percentunit",
    ),
    figure(
        "Waiting for decoding",
        "Share of the time in which the device waited for the CPU to decode, cut or prepare audio.",
        share("decoding"),
        unit="percentunit",
    ),
    figure(
        "Blocked",
        "Share of the time in which finished work waited for the queue, for the disk, or for a pause to end.",
        share("blocked"),
        unit="percentunit",
    ),
    figure(
        "Places filled",
        "Share of the places in batches that held a chunk of speech.",
        Query(
            f"{speed('ingest_batch_items_total', device='asr')} / {speed('ingest_batch_places_total', device='asr')}"
        ),
        unit="percentunit",
    ),
    figure(
        "Device memory used",
        "Memory in use on the fullest of the chosen cards. The budget is 9 GB.",
        Query(f"max({card('FB_USED')}) * 1048576"),
        unit="decbytes",
        limit=Limit(BUDGET_BYTES),
        empty="no card",
    ),
)

WHERE_TIME_GOES = (
    row("Where the time goes"),
    graph(
        "What the device does",
        "Share of the time that the device threads of the asr workers spend in each state; the sum is 100 %. Starved: "
        "nothing is queued. Decoding: waiting for the CPU. Blocked: waiting for queue, disk, or a pause.",
        split(GPU_SECONDS),
        unit="percentunit",
        width=12,
        stacked=True,
        at_most=1,
    ),
    graph(
        "Batches",
        "Share of the places in batches that are filled, and share of the computed length that is padding (silence "
        "after shorter chunks).",
        Query(
            f"{speed('ingest_batch_items_total', 'device')} / {speed('ingest_batch_places_total', 'device')}",
            "{{device}}: places filled",
        ),
        Query(
            f"1 - {speed('ingest_batch_length_total', 'device')} / "
            f"{speed('ingest_batch_padded_length_total', 'device')}",
            "{{device}}: padding",
        ),
        unit="percentunit",
        width=6,
        at_most=1,
    ),
    graph(
        "Real-time factor",
        "Time of the work on a recording, divided by its length: the median and the 95th percentile. The limit of a "
        "worker is 0.22.",
        Query(quantile(0.5, "ingest_real_time_factor"), "median"),
        Query(quantile(0.95, "ingest_real_time_factor"), "95 %"),
        unit="none",
        width=6,
        limit=Limit(0.22),
    ),
)

CARD = (
    row("The card"),
    graph(
        "Use",
        "Share of the time in which a kernel ran on the card, and in which its memory was read or written.",
        Query(card("GPU_UTIL"), "{{modelName}} {{UUID}}: kernels"),
        Query(card("MEM_COPY_UTIL"), "{{modelName}} {{UUID}}: memory"),
        unit="percent",
        at_most=100,
        empty="no card",
    ),
    graph(
        "Multiprocessors in use",
        "Share of the multiprocessors in use, more exact than the use above. Only NVIDIA's dcgm-exporter exports it, "
        "for data-centre cards.",
        Query('max by (UUID, modelName) (DCGM_FI_PROF_SM_ACTIVE{UUID=~"$card"})', "{{modelName}} {{UUID}}"),
        unit="percentunit",
        at_most=1,
        empty="only with dcgm-exporter on a data-centre card",
    ),
    graph(
        "Memory",
        "Device memory in use by all programs on the card. The line is the budget, 9 GB.",
        Query(f"{card('FB_USED')} * 1048576", "{{modelName}} {{UUID}}"),
        unit="decbytes",
        limit=Limit(BUDGET_BYTES),
        empty="no card",
    ),
    graph(
        "Power",
        "Power draw of the card.",
        Query(card("POWER_USAGE"), "{{modelName}} {{UUID}}"),
        unit="watt",
        empty="no card",
    ),
    graph(
        "Temperature",
        "Temperature of the GPU.",
        Query(card("GPU_TEMP"), "{{modelName}} {{UUID}}"),
        unit="celsius",
        empty="no card",
    ),
    graph(
        "Clocks",
        "Clocks of the multiprocessors and the memory. Low clocks under load mean heat or a power limit.",
        Query(f"{card('SM_CLOCK')} * 1e6", "{{modelName}} {{UUID}}: multiprocessors"),
        Query(f"{card('MEM_CLOCK')} * 1e6", "{{modelName}} {{UUID}}: memory"),
        unit="hertz",
        empty="no card",
    ),
    graph(
        "Energy per hour of audio",
        "Energy that the chosen cards use, divided by the hours of audio transcribed. No data while there are none.",
        Query(
            f'sum(max by (UUID) (rate(DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{UUID=~"$card"}}{RATE}))) / 1000 * 3600 / '
            f"({speed('ingest_audio_seconds_total', stage='asr')} > 0)",
            "energy",
        ),
        unit="joule",
        empty="no card, or nothing was transcribed",
    ),
    graph(
        "Out of memory",
        "Batches that did not fit into device memory; they are halved and run again.",
        Query(growth("ingest_out_of_memory_total", "device"), "{{device}}"),
        unit="none",
        bars=True,
        empty="never since the services started",
    ),
    graph(
        "Load time of the models",
        "Time to load each model at the last start.",
        Query(f"max by (model) ({of('ingest_model_load_seconds')})", "{{model}}"),
        unit="s",
    ),
)


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        "ingest-gpu",
        "ingest: GPU",
        "How the time of the device is used, and the metrics of the card.",
        [*NOW, *WHERE_TIME_GOES, *CARD],
        choices=[("card", "label_values(DCGM_FI_DEV_GPU_UTIL, UUID)")],
    )
