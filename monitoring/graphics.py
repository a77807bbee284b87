"""The dashboard GPU: where every second of the card goes.

The card's own figures have the names of dcgm-exporter, which may be another job: they are chosen by the card's UUID.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring.panels import RATE, Limit, Query, banner, board, figure, graph, growth, of, quantile, row, speed, split

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard

BUDGET_BYTES = 9e9
GPU_SECONDS = "ingest_gpu_seconds_total"


def card(metric: str) -> str:
    """Return a value of each chosen card; two services on one card tell the same."""
    return f'max by (UUID, modelName) (DCGM_FI_DEV_{metric}{{UUID=~"$card"}})'


def share(state: str) -> Query:
    """Return the share of the time that the devices spend in a state."""
    return Query(f"{speed(GPU_SECONDS, state=state)} / {speed(GPU_SECONDS)}")


NOW = (
    banner(
        "Is this real?",
        "A simulated card exports the same names as a real one. Time split, batches and speed are always measured.",
        Query('count(DCGM_FI_DEV_GPU_UTIL{UUID=~"$card",modelName="simulated"})'),
        present="SIMULATED CARD: use, memory, power, temperature and clocks below are not measurements",
        absent="no simulated card: figures of cards below, if any, are measurements",
    ),
    figure(
        "Busy",
        "Share of the device's time in which it recognised speech.",
        share("busy"),
        unit="percentunit",
        limit=Limit(0.9, bad="below"),
    ),
    figure(
        "Starved",
        "Share in which nothing was queued for the device: downloads are too slow, or there is nothing to do.",
        share("starved"),
        unit="percentunit",
    ),
    figure(
        "Waiting for decoding",
        "Share in which videos were in hand, but their audio was still being decoded, cut or prepared by the CPU.",
        share("decoding"),
        unit="percentunit",
    ),
    figure(
        "Blocked",
        "Share in which finished work could not be handed on: queue, disk, or a pause.",
        share("blocked"),
        unit="percentunit",
    ),
    figure(
        "Places filled",
        "Share of the places of a batch that held a chunk of speech.",
        Query(
            f"{speed('ingest_batch_items_total', device='asr')} / {speed('ingest_batch_places_total', device='asr')}"
        ),
        unit="percentunit",
    ),
    figure(
        "Device memory used",
        "The fullest of the chosen cards. The budget is 9 GB.",
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
        "Each second of each ASR worker's device thread belongs to one state; together they are 100 %. Starved: "
        "nothing is queued. Decoding: waiting for the CPU. Blocked: waiting for queue, disk, or a pause.",
        split(GPU_SECONDS),
        unit="percentunit",
        width=12,
        stacked=True,
        at_most=1,
    ),
    graph(
        "Batches",
        "How full the batches are, and how much of what is computed is padding (silence behind shorter chunks).",
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
        "Time of the work on a recording, divided by its length: the median and the slowest twentieth. 0.22 is the "
        "most that a worker may need.",
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
        "Share of time in which a kernel ran on the card, and in which its memory was read or written.",
        Query(card("GPU_UTIL"), "{{modelName}} {{UUID}}: kernels"),
        Query(card("MEM_COPY_UTIL"), "{{modelName}} {{UUID}}: memory"),
        unit="percent",
        at_most=100,
        empty="no card",
    ),
    graph(
        "Multiprocessors at work",
        "Share of the multiprocessors that are at work, a sharper figure than use. Only NVIDIA's dcgm-exporter has it, "
        "on data-centre cards.",
        Query('max by (UUID, modelName) (DCGM_FI_PROF_SM_ACTIVE{UUID=~"$card"})', "{{modelName}} {{UUID}}"),
        unit="percentunit",
        at_most=1,
        empty="only with dcgm-exporter on a data-centre card",
    ),
    graph(
        "Memory",
        "Device memory in use by everything on the card. The line is the budget, 9 GB.",
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
        "Energy for an hour of audio",
        "Energy that the chosen cards use, divided by the hours of audio that are transcribed. No data while none is.",
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
        "Batches that the device had no room for; they are halved and run again.",
        Query(growth("ingest_out_of_memory_total", "device"), "{{device}}"),
        unit="none",
        bars=True,
        empty="never since the services started",
    ),
    graph(
        "Loading the models",
        "How long each model took to load, at the last start.",
        Query(f"max by (model) ({of('ingest_model_load_seconds')})", "{{model}}"),
        unit="s",
    ),
)


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        "ingest-gpu",
        "ingest: GPU",
        "Where every second of the card goes, and what the card does.",
        [*NOW, *WHERE_TIME_GOES, *CARD],
        choices=[("card", "label_values(DCGM_FI_DEV_GPU_UTIL, UUID)")],
    )
