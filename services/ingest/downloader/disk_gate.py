"""Keeps the shared volume from filling up: fetching pauses above 80 % of the budget and goes on below 70 %."""

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
    """Measures the used space now and then; `held()` says why nothing should be fetched, or None."""

    def __init__(
        self, used_bytes: Callable[[], int], budget_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._used_bytes = used_bytes
        self._budget = budget_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._measured_at = -MEASURE_EVERY_S
        self._share = 0.0
        self._paused = False
        self._unknown: str | None = None

    def held(self) -> str | None:
        """Return the reason to pause, or None."""
        with self._lock:
            if self._clock() - self._measured_at >= MEASURE_EVERY_S:
                self._measured_at = self._clock()
                try:
                    self._share = self._used_bytes() / self._budget
                    self._unknown = None
                except IngestError as error:  # a volume that cannot be measured takes no files either
                    self._unknown = str(error)
                self._paused = self._share > PAUSE_ABOVE or (self._paused and self._share >= RESUME_BELOW)
            if self._paused:
                return f"the volume uses {self._share:.0%} of its disk budget"
            return self._unknown
