"""The graphics card's metrics, read through NVIDIA's real bindings from a library of ours that plays the driver."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ingest.asr import gpu
from ingest.asr.gpu_simulated import SimulatedDevice

if TYPE_CHECKING:
    from collections.abc import Callable

RICH = "GPU-11111111-2222-3333-4444-555555555555"
POOR = "GPU-99999999-8888-7777-6666-555555555555"
SHOW = """
from prometheus_client import CollectorRegistry, generate_latest
from ingest.asr import gpu
registry = CollectorRegistry()
gpu.export("nvml", hostname="node-7", busy_s=lambda: 0.0, registry=registry)
print(generate_latest(registry).decode())
"""
# dcgm-exporter's names and units (its default-counters.csv, and FB_TOTAL) with the rich card's values
RICH_VALUES = {
    "DCGM_FI_DEV_SM_CLOCK": 1980,  # MHz
    "DCGM_FI_DEV_MEM_CLOCK": 2619,  # MHz
    "DCGM_FI_DEV_GPU_TEMP": 61,  # C
    "DCGM_FI_DEV_MEMORY_TEMP": 58,  # C
    "DCGM_FI_DEV_POWER_USAGE": 412.345,  # W
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": 123456789012,  # mJ
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": 3,
    "DCGM_FI_DEV_GPU_UTIL": 93,  # %
    "DCGM_FI_DEV_MEM_COPY_UTIL": 41,  # %
    "DCGM_FI_DEV_ENC_UTIL": 5,  # %
    "DCGM_FI_DEV_DEC_UTIL": 6,  # %
    "DCGM_FI_DEV_FB_FREE": 73000,  # MiB
    "DCGM_FI_DEV_FB_USED": 8000,  # MiB
    "DCGM_FI_DEV_FB_RESERVED": 559,  # MiB
    "DCGM_FI_DEV_FB_TOTAL": 81559,  # MiB
}
POOR_VALUES = {
    "DCGM_FI_DEV_SM_CLOCK": 1354,
    "DCGM_FI_DEV_MEM_CLOCK": 3504,
    "DCGM_FI_DEV_GPU_UTIL": 7,
    "DCGM_FI_DEV_MEM_COPY_UTIL": 2,
    "DCGM_FI_DEV_FB_FREE": 1948,
    "DCGM_FI_DEV_FB_USED": 52,
    "DCGM_FI_DEV_FB_RESERVED": 48,
    "DCGM_FI_DEV_FB_TOTAL": 2048,
}


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str, str], str]) -> Path:
    """A folder with our libnvidia-ml.so.1."""
    folder = tmp_path_factory.mktemp("nvml")
    compiler = program("cc", "gcc libc6-dev")
    source = Path(__file__).with_name("nvml.c")
    warnings = ["-std=c11", "-Wall", "-Wextra", "-Werror"]
    command = [compiler, *warnings, "-shared", "-fPIC", "-o", str(folder / "libnvidia-ml.so.1"), str(source)]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture
def shown(driver: Path) -> Callable[[str], str]:
    """A function that returns what a process with this driver exports."""

    def show(scenario: str) -> str:
        environment = {**os.environ, "LD_LIBRARY_PATH": str(driver), "FAKE_NVML": scenario}
        command = [sys.executable, "-c", SHOW]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    return show


def values(page: str, uuid: str) -> dict[str, float]:
    """Return the values of one card on a metrics page."""
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    return {sample.name: sample.value for sample in samples if sample.labels["UUID"] == uuid}


def test_names_and_units_are_those_of_dcgm_exporter(shown: Callable[[str], str]) -> None:
    assert values(shown(""), RICH) == RICH_VALUES


def test_a_value_that_a_card_lacks_gives_no_sample(shown: Callable[[str], str]) -> None:
    assert values(shown(""), POOR) == POOR_VALUES


def test_labels_are_those_of_dcgm_exporter(shown: Callable[[str], str]) -> None:
    families = list(text_string_to_metric_families(shown("")))
    labels = [sample.labels for family in families for sample in family.samples if sample.name.endswith("GPU_UTIL")]
    assert labels[0] == {
        "gpu": "0",
        "UUID": RICH,
        "pci_bus_id": "00000000:B1:00.0",
        "device": "nvidia0",
        "modelName": "NVIDIA H100 80GB HBM3",
        "hostname": "node-7",
        "DCGM_FI_DRIVER_VERSION": "580.65.06",
    }
    assert (labels[1]["gpu"], labels[1]["device"]) == ("1", "nvidia1")


def test_types_are_those_of_dcgm_exporter_apart_from_counters_of_another_name(shown: Callable[[str], str]) -> None:
    types = {family.name: family.type for family in text_string_to_metric_families(shown(""))}
    untyped = {"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "DCGM_FI_DEV_PCIE_REPLAY_COUNTER"}
    assert types == {name: "unknown" if name in untyped else "gauge" for name in RICH_VALUES}


def test_an_old_driver_has_no_reserved_memory(shown: Callable[[str], str]) -> None:
    old = values(shown("old"), RICH)
    assert "DCGM_FI_DEV_FB_RESERVED" not in old
    assert old["DCGM_FI_DEV_FB_USED"] == 8559


def test_a_card_that_is_lost_leaves_the_others(shown: Callable[[str], str]) -> None:
    page = shown("lost")
    assert values(page, RICH) == {}
    assert values(page, POOR) == POOR_VALUES


@pytest.mark.parametrize("scenario", ["none", "empty"])
def test_without_driver_or_card_nothing_is_exported(shown: Callable[[str], str], scenario: str) -> None:
    assert "DCGM" not in shown(scenario)


def test_without_the_library_nothing_is_exported() -> None:
    done = subprocess.run([sys.executable, "-c", SHOW], check=True, capture_output=True, text=True)
    assert "DCGM" not in done.stdout


def test_a_simulated_card_says_so_and_is_as_busy_as_the_recognizer() -> None:
    now, busy = 100.0, 0.0
    device = SimulatedDevice("laptop", lambda: busy, lambda: now)
    assert device.labels["modelName"] == "simulated"
    assert device.read()["DCGM_FI_DEV_GPU_UTIL".removeprefix(gpu.PREFIX)] == 0
    now, busy = 110.0, 7.5
    working = device.read()
    assert working["GPU_UTIL"] == 75
    assert working["TOTAL_ENERGY_CONSUMPTION"] == 1000 * (25 * 10 + 275 * 7.5)
    now = 200.0
    device.read()
    now = 215.0
    assert device.read()["GPU_UTIL"] == 0


def test_a_simulated_card_has_names_that_a_real_one_has() -> None:
    registry = CollectorRegistry()
    gpu.export("simulated", hostname="laptop", busy_s=lambda: 0.0, registry=registry)
    names = {family.name for family in text_string_to_metric_families(generate_latest(registry).decode())}
    assert len(names) == 10
    assert names < set(RICH_VALUES)


def test_switched_off_nothing_is_exported() -> None:
    registry = CollectorRegistry()
    gpu.export("off", hostname="laptop", busy_s=lambda: 0.0, registry=registry)
    assert generate_latest(registry) == b""
