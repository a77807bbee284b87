"""One downloader of a fleet, as its own process: asks the governor for leave again and again, and notes the answers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ingest.downloader.rate_limiter import Governor
from ingest.shared.broker.nats_bus import NatsBus
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Source, SourceKind

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from ingest.downloader.rate_limit import Budget
    from ingest.shared.broker.nats_connection import BusOptions

VIDEO = Source(kind=SourceKind.YOUTUBE, url="https://www.youtube.com/watch?v=abcdefghijk")


@dataclass(frozen=True)
class Part:
    """What a process does: ask for `seconds`; the limiter is refused by the site once it has been let in."""

    options: BusOptions
    budget: Budget
    seconds: float
    pause_s: float | None = None
    look_s: float = 0.0
    delay_s: float = 0.0


def answer(pause_s: float | None) -> None:
    """Answer as a site does: it limits us for a while, or not."""
    if pause_s is not None:
        until = datetime.now(UTC) + timedelta(seconds=pause_s)
        raise IngestError(Code.SOURCE_RATE_LIMITED, "HTTP Error 429", retry_at=until)


def play(part: Part, results: Connection) -> None:
    """Ask until the time is over; send the times (by the broker's clock) at which leave was given."""
    bus = NatsBus(part.options).connect()
    governor = Governor(bus, part.budget)
    granted: list[tuple[float, float]] = []
    charged: list[str] = []
    pause_s = part.pause_s
    results.send("ready")
    results.recv()
    time.sleep(part.delay_s)
    end = time.monotonic() + part.seconds
    while time.monotonic() < end:
        try:
            with governor.leave(VIDEO):
                began = bus.clock().timestamp()
                time.sleep(part.look_s)
                granted.append((began, bus.clock().timestamp()))
                limit_s, pause_s = pause_s, None
                answer(limit_s)
        except IngestError as error:
            if error.rule.outcome != "postponed":
                charged.append(error.code)
            wait_s = (error.retry_at - datetime.now(UTC)).total_seconds() if error.retry_at else 0.2
            time.sleep(min(0.5, max(0.02, wait_s)))
    results.send((granted, charged))
    bus.close()
