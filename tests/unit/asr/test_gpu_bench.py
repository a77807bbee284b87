"""`bench.gpu`: its counters on a card that is made up, its table, and (long) the whole in small on a CPU."""

from __future__ import annotations

import json
import sys
import threading
from types import SimpleNamespace

import pytest

from bench import gpu, gpu_counters
from bench.gpu_counters import GIB, Activity, GpmCard, NoCard, SampledCard
from bench.gpu_workers import ALL_STAGES, RECOGNITION, Job, Measurement


def nvml(sampled: threading.Event, freed: list[str], *, has_gpm: bool) -> SimpleNamespace:
    """Return the part of pynvml that is used, of a card that is made up."""

    def utilization(_handle: object) -> SimpleNamespace:
        sampled.set()
        return SimpleNamespace(gpu=40)

    def metrics(wanted: SimpleNamespace) -> None:
        assert (wanted.sample1, wanted.sample2, wanted.metrics[0].metricId) == (["taken"], ["taken"], 2)
        wanted.metrics[0].value, wanted.metrics[0].nvmlReturn = 93.0, 0

    return SimpleNamespace(
        NVMLError=OSError,
        NVML_SUCCESS=0,
        NVML_GPM_METRICS_GET_VERSION=1,
        NVML_GPM_METRIC_SM_UTIL=2,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda number: number,
        nvmlGpmQueryDeviceSupport=lambda _: SimpleNamespace(isSupportedDevice=has_gpm),
        nvmlGpmSampleAlloc=list,
        nvmlGpmSampleGet=lambda _, sample: sample.append("taken"),
        nvmlGpmSampleFree=freed.extend,
        c_nvmlGpmMetricsGet_t=lambda: SimpleNamespace(metrics=[SimpleNamespace(value=0.0, nvmlReturn=1)]),
        nvmlGpmMetricsGet=metrics,
        nvmlDeviceGetUtilizationRates=utilization,
        nvmlDeviceGetMemoryInfo=lambda _: SimpleNamespace(used=3 * GIB),
    )


@pytest.mark.parametrize(("kind", "share"), [(GpmCard, 0.93), (SampledCard, 0.4)])
def test_the_activity_is_that_of_the_best_counter_of_the_card(
    monkeypatch: pytest.MonkeyPatch, kind: type, share: float
) -> None:
    sampled, freed = threading.Event(), list[str]()
    monkeypatch.setitem(sys.modules, "pynvml", nvml(sampled, freed, has_gpm=kind is GpmCard))
    card = gpu_counters.card()
    assert isinstance(card, kind)
    with card.watched() as activity:
        assert kind is GpmCard or sampled.wait(10)
    assert activity.share == pytest.approx(share)
    assert activity.memory_gib == 3.0
    assert len(freed) == (2 if kind is GpmCard else 0)


def test_without_a_package_or_a_card_the_reason_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    card = gpu_counters.card()
    assert isinstance(card, NoCard)
    assert "nvidia-ml-py" in card.counter
    with card.watched() as activity:
        assert activity == Activity()


def test_a_row_has_the_pace_and_the_shares_or_the_error() -> None:
    job = Job(RECOGNITION, 16)
    row = gpu.row(Measurement(job, 2, 4800.0, 10.0, 9.0, 0.5, Activity(0.93, 8.24)))
    assert row == (RECOGNITION, "16", "2", "480.0", "90%", "5%", "93%", "8.2")
    row = gpu.row(Measurement(job, 1, 0.0, 0.0, 0.0, 0.0, None, "CUDA out of memory"))
    assert row[3] == "CUDA out of memory"
    assert len(row) == len(gpu.HEAD)


@pytest.mark.long  # three processes import torch
def test_the_whole_runs_in_small_where_no_card_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--seconds", "0.5", "--batches", "1", "--workers", "2", "--json"]
    monkeypatch.setattr(sys, "argv", ["bench.gpu", *words])
    gpu.main()
    printed = json.loads(capsys.readouterr().out)
    done = [(one["job"]["kind"], one["workers"], one["error"]) for one in printed["figures"]]
    assert done == [(RECOGNITION, 1, ""), (RECOGNITION, 2, ""), (ALL_STAGES, 2, "")]
    assert all(one["audio_s"] > 0 for one in printed["figures"])
    assert len(printed["others"]) == len(gpu.SINGLE)
