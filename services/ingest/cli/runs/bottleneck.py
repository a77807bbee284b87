"""What kept the recognizer's device from working, in words. Pure.

The asr stage tells with each recording how its device has spent the time since the one before (`asr.gpu_busy_s`,
`asr.cpu_starved_s` ...; `ingest.shared.telemetry.time_split` measures it). Their sum over recordings is what is shown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ingest.shared.telemetry.time_split import BLOCKED, BUSY, DECODING, DEVICE_FIGURE, LOADING, STARVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BUSY_ENOUGH: Final = 0.9  # what a device is meant to reach; above it nothing else is worth naming
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
    """Return the seconds by kind of device (gpu, cpu) and state, added up over the figures of recordings."""
    total: Devices = {}
    for named in figures:
        for name, seconds in named.items():
            found = re.fullmatch(DEVICE_FIGURE, name)
            if found:
                states = total.setdefault(found[1], {})
                states[found[2]] = states.get(found[2], 0.0) + seconds
    return total


def bottleneck(seconds: Mapping[str, float]) -> str:
    """Return the state that stood most in the way: `busy` when the device itself did, which is what one wants."""
    if seconds.get(BUSY, 0.0) >= BUSY_ENOUGH * sum(seconds.values()):
        return BUSY
    return max((state for state in seconds if state != BUSY), key=lambda state: seconds[state])


def explain(device: str, seconds: Mapping[str, float]) -> str:
    """Return a line as "GPU busy 61 %, starved 33 %, decoding 6 %: downloads were the bottleneck"."""
    name, total = _NAMES.get(device, device), sum(seconds.values())
    idle = sorted((state for state in seconds if state != BUSY), key=lambda state: -seconds[state])
    shown = [BUSY, *(state for state in idle if seconds[state] >= SMALLEST_SHARE * total)]
    shares = ", ".join(f"{state} {seconds.get(state, 0.0) / total:.0%}".replace("%", " %") for state in shown)
    worst = bottleneck(seconds)
    itself = "the GPU itself" if device == "gpu" else "the recognizer itself"
    return f"{name} {shares}: {_VERDICTS.get(worst, f'{itself} was the bottleneck')}"


def lines(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return a line for each kind of device that has spent time."""
    return [explain(device, seconds) for device, seconds in sorted(found.items()) if sum(seconds.values()) > 0]
