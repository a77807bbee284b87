"""A bus that counts: how often each of its methods is called, and how long the calls take."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ingest.shared.broker.bus import Bus, Delivery

PUBLISH, FETCH, EMPTY_FETCH, ACK, BEAT = "publish", "fetch", "fetch (nothing there)", "ack", "keep alive"


class CallTimes:
    """Seconds of each call, by method."""

    def __init__(self) -> None:
        self.by_method: dict[str, list[float]] = defaultdict(list)
        self._lock = threading.Lock()

    def add(self, method: str, seconds: float) -> None:
        """Note one call."""
        with self._lock:
            self.by_method[method].append(seconds)

    @contextmanager
    def timed(self, method: str) -> Iterator[None]:
        """Note the call in the `with` block."""
        began = time.monotonic()
        yield
        self.add(method, time.monotonic() - began)


class CountedBus:
    """A bus in front of another; see `ingest.shared.broker.bus.Bus`."""

    def __init__(self, bus: Bus, calls: CallTimes) -> None:
        self._bus = bus
        self._calls = calls

    def publish(self, subject: str, data: bytes, message_id: str, headers: Mapping[str, str] | None = None) -> None:
        """Store a message."""
        with self._calls.timed(PUBLISH):
            self._bus.publish(subject, data, message_id, headers)

    def publish_unreliable(self, subject: str, data: bytes) -> None:
        """Publish without waiting; it takes no time of the caller's."""
        self._bus.publish_unreliable(subject, data)

    def fetch(self, consumer: str, stream: str, wait_s: float) -> Delivery | None:
        """Return the next message, or None; waiting for one is not counted as the time of the call."""
        delivery = self._bus.fetch(consumer, stream, wait_s)
        self._calls.add(FETCH if delivery is not None else EMPTY_FETCH, 0.0)
        return delivery

    def ack(self, delivery: Delivery) -> None:
        """Acknowledge a message."""
        with self._calls.timed(ACK):
            self._bus.ack(delivery)

    def nak(self, delivery: Delivery, delay_s: float = 0.0) -> None:
        """Give a message back."""
        self._bus.nak(delivery, delay_s)

    def keep_alive(self, delivery: Delivery, limit_s: float) -> None:
        """Start the beats of a message."""
        with self._calls.timed(BEAT):
            self._bus.keep_alive(delivery, limit_s)

    def release(self, delivery: Delivery) -> None:
        """Stop the beats of a message."""
        self._bus.release(delivery)
