"""Exports how far the consumers are behind, as the broker counts it: the only source of these metrics.

A thread asks every 15 s, so that neither a scrape nor the work waits for the broker. A value that the broker does not
answer, or that this user may not read, has no sample. Every service exports the values of all stages, so that a stage
without workers shows, too.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from ingest.shared.broker.bus import BusError
from ingest.shared.broker.topology import DEAD_STREAM
from ingest.shared.loop_thread import LoopThread
from ingest.shared.telemetry import metrics
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.shared.broker.bus import Lag
    from ingest.shared.telemetry.metrics import OptionalGauge

ASK_EVERY_S = 15.0
log = get_logger(__name__)


class Broker(Protocol):
    """The part of the bus that reads the state of consumers."""

    def lag(self, consumer: str, stream: str) -> Lag:
        """Return how far a consumer is behind."""

    def oldest_at(self, consumer: str, stream: str) -> datetime | None:
        """Return when its oldest message was published."""

    def stored(self, stream: str) -> int:
        """Return how many messages a stream holds."""


@dataclass(frozen=True)
class WatchedConsumer:
    """A consumer, its stream, and where its postponed messages wait (consumer and stream), if they do."""

    consumer: str
    stream: str
    waiting_in: tuple[str, str] | None = None


class BacklogWatch:
    """Asks for `consumers`, and with `dead_letters` for their number too."""

    def __init__(self, bus: Broker, consumers: Sequence[WatchedConsumer], *, dead_letters: bool) -> None:
        self._bus = bus
        self._consumers = consumers
        self._dead_letters = dead_letters
        self._refused: set[tuple[str, ...]] = set()
        metrics.show(
            metrics.CONSUMER_LAG,
            metrics.CONSUMER_IN_FLIGHT,
            metrics.CONSUMER_OLDEST_AGE,
            metrics.CONSUMER_POSTPONED,
        )
        if dead_letters:
            metrics.show(metrics.DEAD_LETTERS)

    def thread(self) -> LoopThread:
        """Return a thread that asks every `ASK_EVERY_S`."""
        return LoopThread("backlog", self.ask)

    def ask(self) -> float:
        """Ask once; return the seconds until the next time."""
        for watched in self._consumers:
            name, stream = watched.consumer, watched.stream
            with self._shown((metrics.CONSUMER_LAG, metrics.CONSUMER_IN_FLIGHT), name):
                lag = self._bus.lag(name, stream)
                metrics.CONSUMER_LAG.set(lag.waiting, name)
                metrics.CONSUMER_IN_FLIGHT.set(lag.in_flight, name)
            with self._shown((metrics.CONSUMER_OLDEST_AGE,), name):
                metrics.CONSUMER_OLDEST_AGE.set(age_s(self._bus.oldest_at(name, stream), datetime.now(UTC)), name)
            if watched.waiting_in is not None:
                with self._shown((metrics.CONSUMER_POSTPONED,), name):
                    lag = self._bus.lag(*watched.waiting_in)
                    metrics.CONSUMER_POSTPONED.set(lag.waiting + lag.in_flight, name)
        if self._dead_letters:
            with self._shown((metrics.DEAD_LETTERS,)):
                metrics.DEAD_LETTERS.set(self._bus.stored(DEAD_STREAM))
        return ASK_EVERY_S

    @contextmanager
    def _shown(self, figures: Sequence[OptionalGauge], *labels: str) -> Iterator[None]:
        """Clear figures that the broker does not give in the `with` block."""
        try:
            yield
        except BusError as error:
            for gauge in figures:
                gauge.clear(*labels)
            name = figures[0].name
            if (name, *labels) not in self._refused:  # once: a missing permission does not come by waiting
                self._refused.add((name, *labels))
                log.warning("backlog_unknown", metric=name, labels=labels, error=str(error))


def age_s(oldest_at: datetime | None, now: datetime) -> float:
    """Return how old a message is; 0 without one, and when the broker's clock is ahead of ours."""
    return 0.0 if oldest_at is None else max(0.0, (now - oldest_at).total_seconds())
