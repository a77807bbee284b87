"""A thread that repeats a step until it is stopped: watches, delayed redeliveries and the ledger run in one each."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class LoopThread:
    """Repeats `step` in a thread; a step returns the seconds of the pause after it."""

    def __init__(self, name: str, step: Callable[[], float]) -> None:
        self._step = step
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no more steps, and end a pause."""
        self._stop.set()

    def drain(self, deadline: float) -> None:
        """Wait for the present step until `deadline` (monotonic seconds)."""
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while not self._stop.is_set():
            self._stop.wait(self._step())
