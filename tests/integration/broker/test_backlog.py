"""The backlog of the consumers, as a real broker counts it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from ingest.shared.broker.backlog import BacklogWatch, WatchedConsumer
from ingest.shared.broker.bus import BusRefusedError, Lag
from ingest.shared.broker.topology import (
    ACCESSIBLE,
    DEAD_STREAM,
    DUE,
    EVENT_STREAM,
    LATER_STREAM,
    LEDGER,
    REQUESTED,
    WORK_STREAM,
    dead_subject,
    event_subject,
    later_consumer,
    later_subject,
)
from ingest.shared.messages import Stage
from ingest.shared.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ingest.shared.broker.nats_bus import NatsBus

CHECK = WatchedConsumer("check", WORK_STREAM, (later_consumer(Stage.CHECK), LATER_STREAM))
FIGURES = {
    "lag": metrics.CONSUMER_LAG,
    "in_flight": metrics.CONSUMER_IN_FLIGHT,
    "age": metrics.CONSUMER_OLDEST_AGE,
    "postponed": metrics.CONSUMER_POSTPONED,
    "dead": metrics.DEAD_LETTERS,
}


def told(consumer: str = "check") -> dict[str, float]:
    """Return what is shown now about a consumer, and the number of dead letters."""
    return {
        name: sample.value
        for name, known in FIGURES.items()
        for family in known.collect()
        for sample in family.samples
        if sample.labels.get("consumer", consumer) == consumer
    }


@pytest.fixture(autouse=True)
def _nothing_told() -> Iterator[None]:
    yield
    for known in FIGURES.values():
        for labels in ((), ("check",), (LEDGER,)):
            known.clear(*labels)


def test_an_empty_queue_is_told_as_empty(bus: NatsBus) -> None:
    watch = BacklogWatch(bus, [CHECK], dead_letters=True)
    assert told() == {}
    watch.ask()
    assert told() == {"lag": 0, "in_flight": 0, "age": 0, "postponed": 0, "dead": 0}


def test_what_waits_what_is_in_hand_what_is_postponed_and_what_is_dead_are_counted(bus: NatsBus) -> None:
    for number in range(3):
        bus.publish(REQUESTED, b"{}", f"request-{number}")
    bus.publish(ACCESSIBLE, b"{}", "another stage's")
    bus.publish(later_subject(Stage.CHECK), b"{}", "later", {DUE: "2999-01-01T00:00:00+00:00"})
    bus.publish(dead_subject(Stage.CHECK), b"{}", "dead")
    taken = bus.fetch("check", WORK_STREAM, 5.0)
    assert taken is not None
    time.sleep(0.3)
    BacklogWatch(bus, [CHECK], dead_letters=True).ask()
    found = told()
    assert 0.3 <= found.pop("age") < 10
    assert found == {"lag": 2, "in_flight": 1, "postponed": 1, "dead": 1}


def test_the_ledger_s_oldest_event_is_the_first_that_it_has_not_acknowledged(bus: NatsBus) -> None:
    bus.publish(event_subject(Stage.CHECK), b"{}", "old")
    old = bus.fetch(LEDGER, EVENT_STREAM, 5.0)
    assert old is not None
    time.sleep(1.0)
    bus.publish(event_subject(Stage.ASR), b"{}", "new")
    watch = BacklogWatch(bus, [WatchedConsumer(LEDGER, EVENT_STREAM)], dead_letters=False)
    watch.ask()
    assert told(LEDGER)["age"] >= 1.0
    bus.ack(old)
    watch.ask()
    assert told(LEDGER)["age"] < 1.0
    assert "postponed" not in told(LEDGER)


class Silent:
    """A broker that answers once."""

    def __init__(self) -> None:
        self.answers = True

    def lag(self, _consumer: str, _stream: str) -> Lag:
        self._ask()
        return Lag(7, 1)

    def oldest_at(self, _consumer: str, _stream: str) -> datetime | None:
        raise BusRefusedError("no permission")

    def stored(self, stream: str) -> int:
        assert stream == DEAD_STREAM
        self._ask()
        return 2

    def _ask(self) -> None:
        if not self.answers:
            raise BusRefusedError("gone")


def test_what_cannot_be_asked_is_absent_and_what_was_known_is_forgotten() -> None:
    broker = Silent()
    watch = BacklogWatch(broker, [CHECK], dead_letters=True)
    watch.ask()
    assert told() == {"lag": 7, "in_flight": 1, "postponed": 8, "dead": 2}
    broker.answers = False
    watch.ask()
    assert told() == {}
