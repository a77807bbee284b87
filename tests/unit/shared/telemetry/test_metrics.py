"""What /metrics shows: only what is known, and exact counts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

from ingest.shared.device.batcher import BatchFigures
from ingest.shared.telemetry import metrics

if TYPE_CHECKING:
    from prometheus_client.registry import Collector


def page(*collectors: Collector) -> list[str]:
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_what_is_not_known_has_no_sample() -> None:
    known = metrics.OptionalGauge("ingest_test_lag", "For a test", "consumer")
    assert page(known) == []
    known.set(3, "asr")
    known.set(0, "check")
    assert page(known) == ['ingest_test_lag{consumer="asr"} 3.0', 'ingest_test_lag{consumer="check"} 0.0']
    known.clear("asr")
    assert page(known) == ['ingest_test_lag{consumer="check"} 0.0']


def test_seconds_by_state_are_a_counter_that_is_read_at_every_scrape() -> None:
    seconds = {"busy": 1.5}
    split = metrics.StateSeconds("ingest_test_seconds", "For a test", lambda: seconds)
    assert page(split) == ['ingest_test_seconds_total{state="busy"} 1.5']
    seconds["busy"] = 2.5
    assert page(split) == ['ingest_test_seconds_total{state="busy"} 2.5']


def test_the_batches_of_a_device_are_those_of_all_its_batchers() -> None:
    first = BatchFigures(items=3, places=4, length=10.0, padded_length=12.0)
    second = BatchFigures(items=1, places=4, length=2.0, padded_length=2.0, out_of_memory=1)
    assert page(metrics.Batches("asr", [first, second])) == [
        'ingest_batch_items_total{device="asr"} 4.0',
        'ingest_batch_places_total{device="asr"} 8.0',
        'ingest_batch_length_total{device="asr"} 12.0',
        'ingest_batch_padded_length_total{device="asr"} 14.0',
        'ingest_out_of_memory_total{device="asr"} 1.0',
    ]


def test_a_newer_collector_takes_the_place_of_the_older_one_of_its_name() -> None:
    for seconds in (1.0, 2.0):
        metrics.show(metrics.StateSeconds("ingest_shown_seconds", "For a test", partial(dict, busy=seconds)))
    assert REGISTRY.get_sample_value("ingest_shown_seconds_total", {"state": "busy"}) == 2.0
