"""Runs a job that has ended its worker before alone, so that another crash costs no other job.

This is a readers-writer lock that prefers writers: ordinary jobs are readers, a suspect is a writer.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class SuspectLock:
    """Any number of ordinary jobs at a time, or one suspect. A waiting suspect lets no new ordinary job in."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._ordinary = 0
        self._suspects_waiting = 0
        self._suspect_runs = False

    @contextmanager
    def entered(self, *, suspect: bool) -> Iterator[None]:
        """Wait until the job may run; it runs in the `with` block."""
        with self._free:
            if suspect:
                self._suspects_waiting += 1
                self._free.wait_for(lambda: self._ordinary == 0 and not self._suspect_runs)
                self._suspects_waiting -= 1
                self._suspect_runs = True
            else:
                self._free.wait_for(lambda: not self._suspect_runs and self._suspects_waiting == 0)
                self._ordinary += 1
        try:
            yield
        finally:
            with self._free:
                if suspect:
                    self._suspect_runs = False
                else:
                    self._ordinary -= 1
                self._free.notify_all()
