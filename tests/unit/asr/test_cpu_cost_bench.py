"""`bench.cpu_cost`: seconds of nested parts, and the table."""

from __future__ import annotations

import time

import pytest

from bench.cpu_cost import cores, rows
from bench.cpu_cost_meter import CPU, DECODING, ENCODER, JSON, MODEL, WORDS, Meter


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_a_part_inside_of_another_takes_its_seconds_from_that_one() -> None:
    meter = Meter()
    inner = meter.timed(burn, ENCODER)
    with meter.measure(WORDS):
        burn(0.02)
        inner(0.06)
    assert meter.seconds[ENCODER] == pytest.approx(0.06, abs=0.015)
    assert meter.seconds[WORDS] == pytest.approx(0.02, abs=0.015)


def test_the_table_has_the_parts_that_were_measured_and_their_sums() -> None:
    found = list(rows({DECODING: 1.0, ENCODER: 5.0, JSON: 0.5}, audio_s=1800.0))
    assert found == [
        (DECODING, CPU, "2.00"),
        (ENCODER, MODEL, "10.00"),
        (JSON, CPU, "1.00"),
        ("all of CPU", CPU, "3.00"),
        ("all of model", MODEL, "10.00"),
    ]


def test_cores_count_what_stays_beside_a_gpu_and_the_decoding_twice() -> None:
    assert cores({DECODING: 10.0, ENCODER: 500.0, JSON: 4.0}, audio_s=3600.0, pace=150.0) == pytest.approx(1.0)
