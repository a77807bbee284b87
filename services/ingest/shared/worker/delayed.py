"""Moves delayed messages back to their work queue when they are due.

A delayed message is kept in the stream INGEST_LATER. Its delayed nak is the timer: the broker delivers it again at that
time. After a restart the broker may deliver it earlier; the message then gets a nak for the remaining time. When the
clock was put back since, that time would grow by the difference: the timer has measured it, so the message is due.

A message waits no longer than its delay. Where the time left is longer, the clock of its sender was ahead: the time at
which the broker took the message counts instead.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from ingest.shared.broker.bus import FETCH_WAIT_S, Bus, BusError, Delivery
from ingest.shared.broker.topology import DELAY, DUE, INPUT_OF, LATER_STREAM, later_consumer
from ingest.shared.loop_thread import LoopThread
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from ingest.shared.messages import Stage

TROUBLE_WAIT_S = 5.0
LONGEST_NAP_S = 24 * 3600.0
LATE_CLOCK = timedelta(minutes=1)  # the clocks of the broker and of a worker may differ by so much
log = get_logger(__name__)


def delayed_redelivery(stage: Stage, bus: Bus, fetch_wait_s: float = FETCH_WAIT_S) -> LoopThread:
    """Return a thread that moves the due messages of a stage back to its work queue."""
    return LoopThread(f"waker-{stage}", partial(_move, stage, bus, fetch_wait_s))


def _move(stage: Stage, bus: Bus, fetch_wait_s: float) -> float:
    """Move the next message, if one is due; return the seconds of the pause after it."""
    try:
        delivery = bus.fetch(later_consumer(stage), LATER_STREAM, fetch_wait_s)
        if delivery is not None:
            _wake(stage, bus, delivery)
    except BusError as error:
        log.warning("bus_trouble", error=str(error))
        return TROUBLE_WAIT_S
    return 0.0


def _wake(stage: Stage, bus: Bus, delivery: Delivery) -> None:
    left_s = seconds_left(delivery, datetime.now(UTC))
    if left_s > 0:
        bus.nak(delivery, min(left_s, LONGEST_NAP_S))
        return
    kept = (name for name in delivery.headers if name.startswith("Ingest-") and name not in {DUE, DELAY})
    headers = {name: delivery.headers[name] for name in kept}
    number = f"{delivery.sequence}:{delivery.published_at.timestamp()}"
    bus.publish(INPUT_OF[stage], delivery.data, f"woken:{stage}:{number}", headers)
    bus.ack(delivery)


def seconds_left(delivery: Delivery, now: datetime) -> float:
    """Return how long a message has to wait still; one whose time cannot be read is due."""
    if delivery.delivered > 1 and now < delivery.published_at - LATE_CLOCK:
        return 0.0
    try:
        left_s = (datetime.fromisoformat(delivery.headers.get(DUE, "")) - now).total_seconds()
        delay_s = float(delivery.headers.get(DELAY, "inf"))  # of an earlier version: any
    except (ValueError, TypeError):
        return 0.0
    if left_s <= delay_s:
        return left_s
    waited_s = max(0.0, (now - delivery.published_at).total_seconds())
    return max(0.0, delay_s - waited_s)
