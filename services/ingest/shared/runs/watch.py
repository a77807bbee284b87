"""Watches a run for a service that works until it is settled.

The service that keeps the ledger finds out whether the run is settled: when no queue has a message of it, and the
ledger knows how each recording has ended. It records the end in the stream INGEST_RUNS, where all services read it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ingest.shared.broker.bus import BusError
from ingest.shared.broker.topology import EVENT_STREAM, LEDGER
from ingest.shared.errors import IngestError
from ingest.shared.loop_thread import LoopThread
from ingest.shared.runs import record
from ingest.shared.runs.queue_search import QueueSearch
from ingest.shared.runs.verdict import Standing, verdict
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections import Counter

    from ingest.shared.runs.verdict import Fate

ASK_EVERY_S = 3.0
LOST_AFTER_S = 300.0  # without a message and with all events in the ledger, an open recording stays open
UNKNOWN_AFTER_S = 7200.0  # the submission may still list its sources

Standings = Callable[[Sequence[str]], Mapping[str, Standing]]
log = get_logger(__name__)


class Broker(record.Broker, Protocol):
    """The part of the bus that a watch uses."""

    def position(self, stream: str) -> tuple[int, int]:
        """Return when a stream was created (seconds) and the sequence of its newest message."""

    def acknowledged(self, consumer: str, stream: str) -> int:
        """Return the sequence up to which a consumer has acknowledged every message."""


class Judge:
    """Finds out whether a run is settled, with the ledger at hand."""

    def __init__(
        self, bus: Broker, run: str, standings: Standings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bus = bus
        self._run = run
        self._standings = standings
        self._clock = clock
        self._recordings = record.Recordings(bus, run)
        self._queued = QueueSearch(bus, self._recordings.videos)
        self._quiet: tuple[float, int] | None = None  # since when the queues have nothing, and the last event then

    def ask(self) -> Counter[Fate] | None:
        """Return what became of the recordings, and record it; None while the run is open."""
        if self._recordings.read():
            self._queued = QueueSearch(self._bus, self._recordings.videos)
        if not self._recordings.is_complete:
            return None
        if self._queued.has_any():
            self._quiet = None
            return None
        self._quiet = self._quiet or (self._clock(), self._bus.position(EVENT_STREAM)[1])
        videos = self._recordings.videos
        found = verdict(videos, self._standings(list(videos)), open_are_lost=self._is_over(*self._quiet))
        if found is not None:
            record.publish_settled(self._bus, self._run, found, self._recordings.sequence)
        return found

    def _is_over(self, since: float, last_event: int) -> bool:
        """Return whether nothing will happen any more: neither by a message, nor by an event for the ledger."""
        is_long = self._clock() - since >= LOST_AFTER_S
        return is_long and self._bus.acknowledged(LEDGER, EVENT_STREAM) >= last_event


class RunWatch:
    """Asks for the end of a run every few seconds. `standings` is given by the service that keeps the ledger."""

    def __init__(
        self,
        bus: Broker,
        run: str,
        standings: Standings | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus = bus
        self.run = run
        self._judge = Judge(bus, run, standings, clock) if standings is not None else None
        self._clock = clock
        self._began = clock()
        self._is_known = False
        self.settled: Counter[Fate] | None = None

    def thread(self) -> LoopThread:
        """Return a thread that asks."""
        return LoopThread("run-watch", self.ask)

    def ask(self) -> float:
        """Ask once; return the seconds until the next time."""
        try:
            self._is_known = self._is_known or record.is_known(self._bus, self.run)
            found = record.settled(self._bus, self.run)
            if found is None and self._judge is not None:
                found = self._judge.ask()
        except (BusError, IngestError) as error:  # broker or database are away: the run is open until they answer
            log.warning("run_unknown", run=self.run, error=str(error))
        else:
            self.settled = found
        return ASK_EVERY_S

    def trouble(self) -> str | None:
        """Return the reason why the service waits in vain: no submission was completed under the name of the run."""
        if not self._is_known and self._clock() - self._began >= UNKNOWN_AFTER_S:
            return f"no `ingest submit --run {self.run}` was completed for {UNKNOWN_AFTER_S:.0f} s"
        return None
