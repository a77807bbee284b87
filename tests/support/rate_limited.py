"""One downloader of a fleet, as its own process: requests permits again and again, and records the results."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ingest.downloader.exits import YOUTUBE
from ingest.downloader.sites.rate_limiter import RateLimiter
from ingest.shared.broker.nats_bus import NatsBus
from ingest.shared.errors import Code, IngestError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from ingest.downloader.sites.rate_limit import Budget
    from ingest.shared.broker.nats_connection import BusOptions


@dataclass(frozen=True)
class Part:
    """What a process does: request permits for `seconds`; with `pause_s`, the site throttles its first request."""

    options: BusOptions
    budget: Budget
    seconds: float
    pause_s: float | None = None
    request_s: float = 0.0
    delay_s: float = 0.0


def reply(pause_s: float | None) -> None:
    """Reply as a site does; with a pause, throttle us for so long."""
    if pause_s is not None:
        until = datetime.now(UTC) + timedelta(seconds=pause_s)
        raise IngestError(Code.SOURCE_RATE_LIMITED, "HTTP Error 429", retry_at=until)


def play(part: Part, results: Connection) -> None:
    """Request permits until the time is over; send the times (by the broker's clock) at which they were granted."""
    bus = NatsBus(part.options).connect()
    limiter = RateLimiter(bus, part.budget)
    granted: list[tuple[float, float]] = []
    charged: list[str] = []
    pause_s = part.pause_s
    results.send("ready")
    results.recv()
    time.sleep(part.delay_s)
    end = time.monotonic() + part.seconds
    while time.monotonic() < end:
        try:
            with limiter.permit(YOUTUBE):
                began = bus.clock().timestamp()
                time.sleep(part.request_s)
                granted.append((began, bus.clock().timestamp()))
                limit_s, pause_s = pause_s, None
                reply(limit_s)
        except IngestError as error:
            if error.rule.outcome != "postponed":
                charged.append(error.code)
            wait_s = (error.retry_at - datetime.now(UTC)).total_seconds() if error.retry_at else 0.2
            time.sleep(min(0.5, max(0.02, wait_s)))
    results.send((granted, charged))
    bus.close()
