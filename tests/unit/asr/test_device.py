"""The device that a setting stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import ctranslate2
import pytest
import torch

from ingest.asr.device import Device, DeviceSetting, device_of
from ingest.asr.recognition.build import recognizer_options
from ingest.asr.speakers import build as speaker_models
from ingest.cli.settings import AllSettings
from ingest.cli.voices.samples import VoiceSampler
from ingest.demo import VOICE_MODEL
from ingest.shared.errors import Code, IngestError
from ingest.shared.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable


def see_devices(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: count)


@pytest.mark.parametrize(
    ("setting", "count", "device"),
    [
        pytest.param("auto", 1, "cuda", id="auto with a device"),
        pytest.param("auto", 0, "cpu", id="auto without one"),
        pytest.param("cpu", 1, "cpu", id="cpu"),
        pytest.param("cuda", 1, "cuda", id="cuda"),
    ],
)
def test_a_setting_stands_for_one_device(
    setting: DeviceSetting, count: int, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    see_devices(count, monkeypatch)
    assert device_of(setting) == device


def test_cuda_without_a_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    see_devices(0, monkeypatch)
    with pytest.raises(IngestError, match="no CUDA device") as caught:
        device_of("cuda")
    assert caught.value.code is Code.ENV_CUDA


@pytest.mark.parametrize("function", [speaker_models.load, speaker_models.make, recognizer_options])
def test_a_loader_takes_a_device_and_no_setting(function: Callable[..., object]) -> None:
    assert function.__annotations__["device"] == "Device"
    assert "auto" not in get_args(Device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="the test shows an attempt that fails")
def test_voices_are_enrolled_on_the_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    see_devices(1, monkeypatch)
    with pytest.raises((AssertionError, RuntimeError), match=r"CUDA|NVIDIA"):
        VoiceSampler(load(AllSettings, diarization_model=str(VOICE_MODEL)), print)


@pytest.mark.parametrize(("cores", "wanted", "threads"), [(1, 0, 1), (2, 0, 2), (64, 0, 4), (2, 8, 8), (64, 1, 1)])
def test_each_core_has_a_batch_of_its_own_four_at_most_unless_the_user_says_so(
    monkeypatch: pytest.MonkeyPatch, cores: int, wanted: int, threads: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    assert recognizer_options(load(AllSettings, asr_cpu_threads=wanted), "cpu").cpu_threads == threads
