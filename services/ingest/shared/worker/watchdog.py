"""Ends a hung process: a native call that never returns cannot be interrupted, so the whole worker goes.

The timer is the interpreter's own (`faulthandler`): a thread in C that needs no lock of ours, prints where every thread
hangs and ends the process with status 1. The crash journal then holds the jobs that were in flight.
"""

from __future__ import annotations

import faulthandler
import itertools
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Watchdog:
    """Watches the jobs of a process; the earliest deadline is armed. One for each process (the timer is global)."""

    def __init__(self) -> None:
        self._deadlines: dict[int, float] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """End the process if the `with` block runs longer than `seconds`."""
        with self._lock:
            number = next(self._numbers)
            self._deadlines[number] = time.monotonic() + seconds
            self._arm()
        try:
            yield
        finally:
            with self._lock:
                del self._deadlines[number]
                self._arm()

    def _arm(self) -> None:
        faulthandler.cancel_dump_traceback_later()
        if self._deadlines:
            left_s = max(0.01, min(self._deadlines.values()) - time.monotonic())
            faulthandler.dump_traceback_later(left_s, exit=True, file=2)


PROCESS_WATCHDOG = Watchdog()
