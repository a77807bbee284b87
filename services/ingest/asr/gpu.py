"""GPU metrics from NVML, read at every scrape: the only file that uses NVML.

Names, units and labels are those of NVIDIA's dcgm-exporter, so that dashboards and alerts work with either. Set
`INGEST_GPU_METRICS=off` where dcgm-exporter runs. A value that a GPU does not have gives no sample instead of zero. The
counters are exported without a type, because DCGM's names lack the `_total` that Prometheus requires.

On a machine without a GPU, `simulated` exports the same metrics for a simulated one with modelName="simulated". Its
load follows that of the recognizer. The time split (`ingest_gpu_seconds_total`) does not depend on NVML.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

import pynvml
from prometheus_client import REGISTRY
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ingest.asr.gpu_simulated import SIMULATED, SimulatedDevice
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prometheus_client import CollectorRegistry

PREFIX = "DCGM_FI_DEV_"
GAUGES = {
    "SM_CLOCK": "Clock of the multiprocessors, in MHz",
    "MEM_CLOCK": "Clock of the memory, in MHz",
    "GPU_TEMP": "Temperature of the GPU, in degrees Celsius",
    "MEMORY_TEMP": "Temperature of the memory, in degrees Celsius",
    "POWER_USAGE": "Power draw, in W",
    "GPU_UTIL": "Share of time in which a kernel ran, in %",
    "MEM_COPY_UTIL": "Share of time in which memory was read or written, in %",
    "ENC_UTIL": "Share of time in which the video encoder worked, in %",
    "DEC_UTIL": "Share of time in which the video decoder worked, in %",
    "FB_FREE": "Device memory that is free, in MiB",
    "FB_USED": "Device memory in use, in MiB",
    "FB_RESERVED": "Device memory that the driver keeps, in MiB",
    "FB_TOTAL": "Device memory altogether, in MiB",
}
COUNTERS = {
    "TOTAL_ENERGY_CONSUMPTION": "Energy used since the driver was loaded, in mJ",
    "PCIE_REPLAY_COUNTER": "Transfers over PCIe that had to be repeated",
}
MIB = 1 << 20
MAX_TEMPERATURE_C = 200  # higher readings mean that the sensor does not exist

log = get_logger(__name__)


class Device(Protocol):
    """A GPU: its labels and its present values."""

    @property
    def labels(self) -> dict[str, str]:
        """The labels that dcgm-exporter gives the GPU."""

    def read(self) -> dict[str, float]:
        """Return the present values by name, without prefix; only those that the GPU has."""


class GpuCollector(Collector):
    """Reads the GPUs at every scrape of Prometheus."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self._devices = devices

    def describe(self) -> list[Metric]:
        """Describe no metric in advance, since GPUs differ."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield each metric that at least one GPU has."""
        found = [(device.labels, device.read()) for device in self._devices]
        for names, kind in ((GAUGES, "gauge"), (COUNTERS, "unknown")):
            for name, text in names.items():
                metric = Metric(PREFIX + name, text, kind)
                for labels, values in found:
                    if name in values:
                        metric.add_sample(metric.name, labels, values[name])
                if metric.samples:
                    yield metric


def export(
    mode: Literal["off", "nvml", "simulated"],
    *,
    hostname: str,
    busy_s: Callable[[], float],
    registry: CollectorRegistry = REGISTRY,
) -> None:
    """Add the GPU metrics to a registry; `busy_s` returns the seconds that the recognizer has worked so far."""
    devices: Sequence[Device] = []
    if mode == "nvml":
        devices = nvml_devices(hostname)
    elif mode == SIMULATED:
        devices = [SimulatedDevice(hostname, busy_s)]
    if devices:
        registry.register(GpuCollector(devices))


def nvml_devices(hostname: str) -> list[Device]:
    """Return the GPUs that NVML finds; none without a driver or a GPU."""
    try:
        pynvml.nvmlInit()
        return [NvmlDevice(index, hostname) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError as error:
        log.info("no_gpu_metrics", reason=str(error))
        return []


class NvmlDevice:
    """A GPU, read through NVIDIA's driver."""

    def __init__(self, index: int, hostname: str) -> None:
        self._handle = handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        self._memory_call = partial(pynvml.nvmlDeviceGetMemoryInfo, handle, version=pynvml.nvmlMemory_v2)
        try:
            self._memory_call()
        except pynvml.NVMLError:  # a driver before 510, which counts reserved memory as used
            self._memory_call = partial(pynvml.nvmlDeviceGetMemoryInfo, handle)
        self.labels = {
            "gpu": str(index),
            "UUID": str(pynvml.nvmlDeviceGetUUID(handle)),
            "pci_bus_id": _text(pynvml.nvmlDeviceGetPciInfo(handle).busId),
            "device": f"nvidia{index}",
            "modelName": str(pynvml.nvmlDeviceGetName(handle)),
            "hostname": hostname,
            "DCGM_FI_DRIVER_VERSION": str(pynvml.nvmlSystemGetDriverVersion()),
        }

    def read(self) -> dict[str, float]:
        """Read all values; skip those that the driver refuses."""
        values: dict[str, float] = {}
        for part in (self._utilization, self._memory, *self._single()):
            try:
                values.update(part())
            except pynvml.NVMLError:
                continue  # not supported by this GPU, or not available now: no sample
        return values

    def _utilization(self) -> dict[str, float]:
        rates = pynvml.nvmlDeviceGetUtilizationRates(self._handle)
        return {"GPU_UTIL": rates.gpu, "MEM_COPY_UTIL": rates.memory}

    def _memory(self) -> dict[str, float]:
        memory = self._memory_call()
        values = {"FB_USED": memory.used // MIB, "FB_FREE": memory.free // MIB, "FB_TOTAL": memory.total // MIB}
        return values | {"FB_RESERVED": memory.reserved // MIB} if hasattr(memory, "reserved") else values

    def _single(self) -> Iterator[Callable[[], dict[str, float]]]:
        """Yield one reader for each value that has a call of its own."""
        device = self._handle
        yield lambda: _temperature("GPU_TEMP", pynvml.nvmlDeviceGetTemperature(device, pynvml.NVML_TEMPERATURE_GPU))
        yield lambda: _temperature("MEMORY_TEMP", _field(device, pynvml.NVML_FI_DEV_MEMORY_TEMP))
        yield lambda: {"POWER_USAGE": pynvml.nvmlDeviceGetPowerUsage(device) / 1000}
        yield lambda: {"SM_CLOCK": pynvml.nvmlDeviceGetClockInfo(device, pynvml.NVML_CLOCK_SM)}
        yield lambda: {"MEM_CLOCK": pynvml.nvmlDeviceGetClockInfo(device, pynvml.NVML_CLOCK_MEM)}
        yield lambda: {"ENC_UTIL": pynvml.nvmlDeviceGetEncoderUtilization(device)[0]}
        yield lambda: {"DEC_UTIL": pynvml.nvmlDeviceGetDecoderUtilization(device)[0]}
        yield lambda: {"TOTAL_ENERGY_CONSUMPTION": pynvml.nvmlDeviceGetTotalEnergyConsumption(device)}
        yield lambda: {"PCIE_REPLAY_COUNTER": pynvml.nvmlDeviceGetPcieReplayCounter(device)}


def _temperature(name: str, degrees: float) -> dict[str, float]:
    return {name: degrees} if degrees <= MAX_TEMPERATURE_C else {}


def _field(device: object, field: int) -> float:
    """Return a value that NVML has only by a field number; raise the error that NVML reports for it."""
    (answer,) = pynvml.nvmlDeviceGetFieldValues(device, [field])
    if answer.nvmlReturn != pynvml.NVML_SUCCESS:
        raise pynvml.NVMLError(answer.nvmlReturn)
    return int(answer.value.uiVal)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
