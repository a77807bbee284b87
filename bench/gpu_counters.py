"""What the card did while something was measured: its activity and its memory, read by NVML."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

GIB = 1 << 30
EVERY_S = 0.1  # utilization.gpu is the share of the last sixth of a second to second


@dataclass
class Activity:
    """Shares of the time, and memory in GiB; None is what the card does not tell."""

    share: float | None = None
    memory_gib: float | None = None


class Card(Protocol):
    """A card. `counter` names what `share` counts."""

    counter: str

    def watched(self) -> AbstractContextManager[Activity]:
        """Return a context whose activity is known at its end."""


class NoCard:
    """The place of a card on a machine without one, or without NVML."""

    def __init__(self, reason: str) -> None:
        self.counter = f"no activity: {reason}"

    @contextmanager
    def watched(self) -> Iterator[Activity]:
        """Give an activity of which nothing is known."""
        yield Activity()


class SampledCard:
    """A card without GPM: the mean of utilization.gpu, which says that a kernel was there, not how much of the card."""

    counter = "utilization.gpu (a kernel was there)"

    def __init__(self, nvml: Any, handle: object) -> None:  # noqa: ANN401 (a module)
        self._nvml, self._handle = nvml, handle

    @contextmanager
    def watched(self) -> Iterator[Activity]:
        """Give the activity of the block."""
        found, seen, ended = Activity(), list[float](), threading.Event()
        thread = threading.Thread(target=self._sample, args=(seen, ended), daemon=True)
        thread.start()
        try:
            yield found
        finally:
            ended.set()
            thread.join()
            found.share = sum(seen) / len(seen) if seen else None
            found.memory_gib = memory_gib(self._nvml, self._handle)

    def _sample(self, seen: list[float], ended: threading.Event) -> None:
        while not ended.wait(EVERY_S):
            with suppress(self._nvml.NVMLError):
                seen.append(self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu / 100)


class GpmCard:
    """A card with GPM (Hopper and later): the share of its multiprocessors that had work, over the time."""

    counter = "SM activity (NVML's GPM)"

    def __init__(self, nvml: Any, handle: object) -> None:  # noqa: ANN401 (a module)
        self._nvml, self._handle = nvml, handle

    @contextmanager
    def watched(self) -> Iterator[Activity]:
        """Give the activity of the block."""
        nvml, found = self._nvml, Activity()
        first, last = nvml.nvmlGpmSampleAlloc(), nvml.nvmlGpmSampleAlloc()
        nvml.nvmlGpmSampleGet(self._handle, first)
        try:
            yield found
        finally:
            nvml.nvmlGpmSampleGet(self._handle, last)
            wanted = nvml.c_nvmlGpmMetricsGet_t()
            wanted.version = nvml.NVML_GPM_METRICS_GET_VERSION
            wanted.numMetrics = 1
            wanted.sample1, wanted.sample2 = first, last
            wanted.metrics[0].metricId = nvml.NVML_GPM_METRIC_SM_UTIL
            nvml.nvmlGpmMetricsGet(wanted)
            if wanted.metrics[0].nvmlReturn == nvml.NVML_SUCCESS:
                found.share = wanted.metrics[0].value / 100
            found.memory_gib = memory_gib(nvml, self._handle)
            nvml.nvmlGpmSampleFree(first)
            nvml.nvmlGpmSampleFree(last)


def memory_gib(nvml: Any, handle: object) -> float:  # noqa: ANN401 (a module)
    """Return the memory of the card in use, of all processes."""
    return float(nvml.nvmlDeviceGetMemoryInfo(handle).used) / GIB


def card(number: int = 0) -> Card:
    """Return a card, with the best counter that it has."""
    try:
        import pynvml
    except ImportError:
        return NoCard("the package nvidia-ml-py is not installed")
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(number)
    except pynvml.NVMLError as error:
        return NoCard(f"NVML says {error}")
    try:
        has_gpm = bool(pynvml.nvmlGpmQueryDeviceSupport(handle).isSupportedDevice)
    except (pynvml.NVMLError, AttributeError):
        has_gpm = False
    return GpmCard(pynvml, handle) if has_gpm else SampledCard(pynvml, handle)
