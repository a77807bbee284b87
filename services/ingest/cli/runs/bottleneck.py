"""Explains what kept the recognizer's device idle. Pure.

The asr stage reports with each recording the time of its device by state since the previous recording
(`asr.gpu_busy_s`, `asr.cpu_starved_s` ...; measured by `ingest.shared.telemetry.time_split`). The sums over recordings
are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ingest.shared.telemetry.time_split import BLOCKED, BUSY, DECODING, DEVICE_FIGURES, LOADING, STARVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BUSY_ENOUGH: Final = 0.9  # the target; above it no other bottleneck is named
SMALLEST_SHARE: Final = 0.005

_NAMES: Final = {"gpu": "GPU", "cpu": "Recognizer"}
_VERDICTS: Final = {
    STARVED: "downloads were the bottleneck",
    DECODING: "decoding was the bottleneck",
    BLOCKED: "the disk or the queue was the bottleneck",
    LOADING: "loading the model took longest",
}

Devices = dict[str, dict[str, float]]


def devices(figures: Iterable[Mapping[str, float]]) -> Devices:
    """Return the seconds by kind of device (gpu, cpu) and state, as sums over the figures of recordings."""
    total: Devices = {}
    for named in figures:
        for name, seconds in named.items():
            if name in DEVICE_FIGURES:
                device, state = DEVICE_FIGURES[name]
                states = total.setdefault(device, {})
                states[state] = states.get(state, 0.0) + seconds
    return total


def bottleneck(seconds: Mapping[str, float]) -> str:
    """Return the largest idle state; `busy` when the device reaches its target, and is the bottleneck itself."""
    if seconds.get(BUSY, 0.0) >= BUSY_ENOUGH * sum(seconds.values()):
        return BUSY
    return max((state for state in seconds if state != BUSY), key=lambda state: seconds[state])


def explain(device: str, seconds: Mapping[str, float]) -> str:
    """Return a line such as "GPU busy 61 %, starved 33 %, decoding 6 %: downloads were the bottleneck"."""
    name, total = _NAMES.get(device, device), sum(seconds.values())
    idle = sorted((state for state in seconds if state != BUSY), key=lambda state: -seconds[state])
    shown = [BUSY, *(state for state in idle if seconds[state] >= SMALLEST_SHARE * total)]
    shares = ", ".join(f"{state} {seconds.get(state, 0.0) / total:.0%}".replace("%", " %") for state in shown)
    worst = bottleneck(seconds)
    itself = "the GPU itself" if device == "gpu" else "the recognizer itself"
    return f"{name} {shares}: {_VERDICTS.get(worst, f'{itself} was the bottleneck')}"


def lines(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return a line for each kind of device with measured time."""
    return [explain(device, seconds) for device, seconds in sorted(found.items()) if sum(seconds.values()) > 0]
