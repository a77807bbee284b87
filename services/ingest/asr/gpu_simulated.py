"""A simulated GPU for machines without one. Its load follows that of the recognizer, and its name is `simulated`."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SIMULATED = "simulated"
WINDOW_S = 10.0


@dataclass(frozen=True)
class Card:
    """The figures of the simulated GPU: idle values, and what full load adds to them."""

    memory_mib: int = 24576
    used_mib: int = 3072
    working_mib: int = 2048
    idle_w: float = 25.0
    working_w: float = 275.0
    idle_c: float = 35.0
    working_c: float = 40.0
    idle_mhz: float = 210.0
    working_mhz: float = 1695.0
    memory_mhz: float = 6251.0


class SimulatedDevice:
    """A simulated GPU with the load that the recognizer had in the last seconds."""

    def __init__(self, hostname: str, busy_s: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> None:
        self._busy_s = busy_s
        self._clock = clock
        self._card = Card()
        self._began = clock()
        self._seen = deque([(self._began, busy_s())])
        self.labels = {
            "gpu": "0",
            "UUID": f"{SIMULATED}-{hostname}",
            "device": SIMULATED,
            "modelName": SIMULATED,
            "hostname": hostname,
        }

    def read(self) -> dict[str, float]:
        """Return the values of a GPU with the present load."""
        now, busy_s = self._clock(), self._busy_s()
        share = self._share(now, busy_s)
        card = self._card
        used = card.used_mib + round(card.working_mib * share)
        return {
            "GPU_UTIL": round(100 * share),
            "MEM_COPY_UTIL": round(60 * share),
            "FB_USED": used,
            "FB_FREE": card.memory_mib - used,
            "FB_TOTAL": card.memory_mib,
            "GPU_TEMP": round(card.idle_c + card.working_c * share),
            "POWER_USAGE": card.idle_w + card.working_w * share,
            "SM_CLOCK": card.working_mhz if share else card.idle_mhz,
            "MEM_CLOCK": card.memory_mhz,
            "TOTAL_ENERGY_CONSUMPTION": round(1000 * (card.idle_w * (now - self._began) + card.working_w * busy_s)),
        }

    def _share(self, now: float, busy_s: float) -> float:
        """Return the busy share of the last `WINDOW_S` seconds."""
        self._seen.append((now, busy_s))
        while len(self._seen) > 2 and now - self._seen[1][0] >= WINDOW_S:  # noqa: PLR2004 (one before, one now)
            self._seen.popleft()
        before, busy_before = self._seen[0]
        return min(1.0, (busy_s - busy_before) / (now - before)) if now > before else 0.0
