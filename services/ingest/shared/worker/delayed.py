"""Moves delayed messages back to their work queue when they are due.

A delayed message is kept in the stream INGEST_LATER. Its delayed nak is the timer: the broker delivers it again at that
time. After a restart the broker may deliver it earlier; the message then gets a nak for the remaining time.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingest.shared.broker.bus import Bus, BusError, Delivery
from ingest.shared.broker.topology import DUE, INPUT_OF, LATER_STREAM, later_consumer
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from ingest.shared.messages import Stage

FETCH_WAIT_S = 1.0
TROUBLE_WAIT_S = 5.0
LONGEST_NAP_S = 24 * 3600.0
log = get_logger(__name__)


class DelayedRedelivery:
    """Moves the due messages of one stage back to its work queue."""

    def __init__(self, stage: Stage, bus: Bus) -> None:
        self._stage = stage
        self._bus = bus
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"waker-{stage}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Move no more messages."""
        self._stop.set()

    def drain(self, deadline: float) -> None:
        """Wait for the message in flight until `deadline` (monotonic seconds)."""
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                delivery = self._bus.fetch(later_consumer(self._stage), LATER_STREAM, FETCH_WAIT_S)
                if delivery is not None:
                    self._wake(delivery)
            except BusError as error:
                log.warning("bus_trouble", error=str(error))
                self._stop.wait(TROUBLE_WAIT_S)

    def _wake(self, delivery: Delivery) -> None:
        left_s = seconds_left(delivery.headers.get(DUE, ""), datetime.now(UTC))
        if left_s > 0:
            self._bus.nak(delivery, min(left_s, LONGEST_NAP_S))
            return
        headers = {
            name: value for name, value in delivery.headers.items() if name.startswith("Ingest-") and name != DUE
        }
        number = f"{delivery.sequence}:{delivery.published_at.timestamp()}"
        self._bus.publish(INPUT_OF[self._stage], delivery.data, f"woken:{self._stage}:{number}", headers)
        self._bus.ack(delivery)


def seconds_left(due: str, now: datetime) -> float:
    """Return how long a message has to wait still; one whose time cannot be read is due."""
    try:
        return (datetime.fromisoformat(due) - now).total_seconds()
    except (ValueError, TypeError):
        return 0.0
