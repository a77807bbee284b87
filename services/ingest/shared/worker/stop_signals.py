"""SIGTERM and SIGINT: the wish that a service stops.

A signal's handler runs in the main thread between any two of its instructions, also while that thread has a lock. A
handler that takes the same lock never ends: so `threading.Event.set`, while that thread is in `wait`. `SimpleQueue.put`
may be called there ("reentrant" in the documentation of Python's `queue`).
"""

from __future__ import annotations

import signal
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBERS = (signal.SIGTERM, signal.SIGINT)


def on_stop_signals(act: Callable[[], object]) -> None:
    """Call `act` at each stop signal; it may take no lock. Call this from the main thread."""
    for number in NUMBERS:
        signal.signal(number, lambda *_: act())


class StopSignals:
    """The stop signals from now on. Make it in the main thread, and wait there."""

    def __init__(self) -> None:
        self._arrived: SimpleQueue[None] = SimpleQueue()
        on_stop_signals(lambda: self._arrived.put(None))

    def wait(self, seconds: float) -> bool:
        """Wait for a signal, at most `seconds`; return whether one has arrived."""
        try:
            self._arrived.get(timeout=seconds)
        except Empty:
            return False
        return True
