"""The disk gate pauses downloads while the shared volume is nearly full.

It closes above 80 % of the disk budget and opens below 70 %.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from ingest.shared.errors import IngestError

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE_ABOVE = 0.8
RESUME_BELOW = 0.7
MEASURE_EVERY_S = 15.0


class DiskGate:
    """Measures the used space every `MEASURE_EVERY_S` at most and decides whether downloads may start."""

    def __init__(
        self, used_bytes: Callable[[], int], budget_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._used_bytes = used_bytes
        self._budget = budget_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._measured_at = -MEASURE_EVERY_S
        self._share = 0.0
        self._is_paused = False
        self._error: str | None = None

    def pause_reason(self) -> str | None:
        """Return why no download may start, or None."""
        with self._lock:
            if self._clock() - self._measured_at >= MEASURE_EVERY_S:
                self._measured_at = self._clock()
                self._measure()
            if self._is_paused:
                return f"the volume uses {self._share:.0%} of its disk budget"
            return self._error

    def _measure(self) -> None:
        try:
            self._share = self._used_bytes() / self._budget
            self._error = None
        except IngestError as error:  # a volume that cannot be measured cannot store files either
            self._error = str(error)
        self._is_paused = self._share > PAUSE_ABOVE or (self._is_paused and self._share >= RESUME_BELOW)
