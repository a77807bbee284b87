"""Waits for room in the work queue: a full one is no error where services work on it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ingest.cli import console

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE_S = 2.0


class Room:
    """A wait for room, which is said once, and ends when `is_stopped`."""

    def __init__(self, is_stopped: Callable[[], bool] = lambda: False) -> None:
        self._is_stopped = is_stopped
        self._is_said = False

    def wait(self) -> bool:
        """Wait a moment; return whether to look again."""
        if not self._is_said:
            console.err.print("the work queue is nearly full: the rest is requested as the services make room")
            self._is_said = True
        if not self._is_stopped():
            time.sleep(PAUSE_S)
        return not self._is_stopped()
