"""The bus on a real nats-server 2.15."""

from __future__ import annotations

import math
import signal
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ingest.shared.broker.bus import BusError, BusRefusedError, BusUnavailableError
from ingest.shared.broker.nats_connection import REQUEST_TIMEOUT_S
from ingest.shared.broker.topology import EVENT_STREAM, REQUESTED, WORK_STREAM, Topology
from ingest.shared.errors import ConfigurationError
from tests.support.brokers import ACK_WAIT_S
from tests.support.stopping import stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.cli.local.nats_server import EmbeddedNats
    from ingest.shared.broker.nats_bus import NatsBus


def test_a_published_message_is_fetched_once_and_gone_after_its_acknowledgement(bus: NatsBus) -> None:
    bus.publish(REQUESTED, b"one", "id-1", {"Ingest-Transient": "2"})
    delivery = bus.fetch("check", WORK_STREAM, 2)
    assert delivery is not None
    assert (delivery.data, delivery.headers["Ingest-Transient"], delivery.delivered) == (b"one", "2", 1)
    bus.ack(delivery)
    assert bus.fetch("check", WORK_STREAM, 0.2) is None
    assert list(bus.read(WORK_STREAM, "ingest.>")) == []


def test_a_group_is_what_is_there_up_to_a_number_and_is_acknowledged_at_once(bus: NatsBus) -> None:
    assert bus.fetch_group("check", WORK_STREAM, 3, 0.1) == []
    bus.ack_group([])
    for number in range(4):
        bus.publish(REQUESTED, b"%d" % number, str(number))
    groups = [bus.fetch_group("check", WORK_STREAM, 3, 2.0) for _ in range(2)]
    assert [[one.data for one in group] for group in groups] == [[b"0", b"1", b"2"], [b"3"]]
    assert bus.lag("check", WORK_STREAM).in_flight == len(groups[0]) + len(groups[1])
    for group in groups:
        bus.ack_group(group)
    assert bus.stored(WORK_STREAM) == bus.lag("check", WORK_STREAM).in_flight == 0


def test_publishing_twice_with_one_id_stores_one_message(bus: NatsBus) -> None:
    bus.publish(REQUESTED, b"one", "same")
    bus.publish(REQUESTED, b"one", "same")
    assert len(list(bus.read(WORK_STREAM, "ingest.>"))) == 1


def test_heartbeats_keep_a_message_beyond_the_acknowledgement_time_and_end_at_their_limit(bus: NatsBus) -> None:
    bus.publish(REQUESTED, b"long", "long")
    delivery = bus.fetch("check", WORK_STREAM, 2)
    assert delivery is not None
    bus.keep_alive(delivery, limit_s=4.0)
    assert bus.fetch("check", WORK_STREAM, 3.5) is None
    again = bus.fetch("check", WORK_STREAM, 6.0)
    assert again is not None
    assert again.delivered == 2
    bus.ack(again)


def test_a_later_limit_of_the_heartbeats_takes_the_place_of_an_earlier_one(bus: NatsBus) -> None:
    bus.publish(REQUESTED, b"long", "long")
    delivery = bus.fetch("check", WORK_STREAM, 2)
    assert delivery is not None
    bus.keep_alive(delivery, math.inf)
    assert bus.fetch("check", WORK_STREAM, 3.0) is None
    bus.keep_alive(delivery, limit_s=1.0)
    again = bus.fetch("check", WORK_STREAM, 6.0)
    assert again is not None
    assert again.delivered == 2


def test_a_message_without_a_sign_of_life_goes_to_another_worker(
    bus: NatsBus, connect_bus: Callable[[], NatsBus]
) -> None:
    bus.publish(REQUESTED, b"lost", "lost")
    assert bus.fetch("check", WORK_STREAM, 2) is not None
    other = connect_bus()
    began = time.monotonic()
    again = other.fetch("check", WORK_STREAM, 10)
    assert again is not None
    assert again.delivered == 2
    assert time.monotonic() - began < 4


def test_a_message_given_back_comes_after_its_delay(bus: NatsBus) -> None:
    bus.publish(REQUESTED, b"later", "later")
    delivery = bus.fetch("check", WORK_STREAM, 2)
    assert delivery is not None
    bus.nak(delivery, delay_s=1.0)
    assert bus.fetch("check", WORK_STREAM, 0.5) is None
    assert bus.fetch("check", WORK_STREAM, 3) is not None


def test_the_consumer_limit_holds_for_all_workers_together(
    connect_bus: Callable[[], NatsBus], bus: NatsBus, test_topology: Topology
) -> None:
    few = tuple(replace(spec, max_ack_pending=2) if spec.name == "check" else spec for spec in test_topology.consumers)
    bus.provision(replace(test_topology, consumers=few), update=True)
    for number in range(5):
        bus.publish(REQUESTED, b"x", str(number))
    held = [connect_bus().fetch("check", WORK_STREAM, 1) for _ in range(3)]
    assert [delivery is not None for delivery in held] == [True, True, False]


def test_provisioning_again_changes_nothing_and_a_difference_is_named(bus: NatsBus, test_topology: Topology) -> None:
    bus.provision(test_topology)
    first, *others = test_topology.consumers
    changed = replace(test_topology, consumers=(replace(first, ack_wait_s=33.0), *others))
    with pytest.raises(ConfigurationError, match=r"consumer check .* ack_wait is 2.*wanted 33"):
        bus.provision(changed)
    bus.provision(changed, update=True)
    bus.provision(changed)


def test_a_new_stage_in_the_middle_takes_over_the_subject_of_its_successor(
    bus: NatsBus, test_topology: Topology
) -> None:
    work = next(stream for stream in test_topology.streams if stream.name == WORK_STREAM)
    embedder = next(item for item in test_topology.consumers if item.name == "embedder")
    translate = replace(embedder, name="translate")
    moved = replace(embedder, subject="ingest.translation.ready")
    position = test_topology.consumers.index(embedder)
    consumers = (*test_topology.consumers[:position], translate, moved, *test_topology.consumers[position + 1 :])
    wider = replace(work, subjects=(*work.subjects, moved.subject))
    streams = tuple(wider if stream is work else stream for stream in test_topology.streams)
    bus.provision(replace(test_topology, streams=streams, consumers=consumers), update=True)
    bus.provision(replace(test_topology, streams=streams, consumers=consumers))


def test_provisioning_bears_a_broker_that_is_slow(
    bus: NatsBus, nats_server: EmbeddedNats, test_topology: Topology
) -> None:
    stop(nats_server.process.pid)
    later = threading.Timer(REQUEST_TIMEOUT_S + 1, nats_server.process.send_signal, (signal.SIGCONT,))
    later.start()
    try:
        bus.reset_consumers(test_topology)
    finally:
        later.join()
    bus.provision(test_topology)


def test_a_stream_that_differs_is_named_with_its_field(bus: NatsBus, test_topology: Topology) -> None:
    first, *others = test_topology.streams
    with pytest.raises(ConfigurationError, match=r"stream INGEST .* max_bytes"):
        bus.provision(replace(test_topology, streams=(replace(first, max_bytes=1 << 20), *others)))


def test_a_full_work_queue_refuses_instead_of_forgetting(bus: NatsBus, test_topology: Topology) -> None:
    first, *others = test_topology.streams
    bus.provision(replace(test_topology, streams=(replace(first, max_bytes=5000), *others)), update=True)
    for number in range(4):
        bus.publish(REQUESTED, bytes([number]) * 1000, str(number))
    with pytest.raises(BusRefusedError, match="maximum bytes"):
        bus.publish(REQUESTED, b"x" * 1000, "one too many")
    assert [data[0] for _, data in bus.read(WORK_STREAM, "ingest.>")] == [0, 1, 2, 3]


def test_messages_in_hand_are_free_at_once_after_a_reset(bus: NatsBus, test_topology: Topology) -> None:
    bus.publish(REQUESTED, b"x", "x")
    assert bus.fetch("check", WORK_STREAM, 1) is not None
    bus.reset_consumers(test_topology)
    delivery = bus.fetch("check", WORK_STREAM, 0.5)
    assert delivery is not None
    assert delivery.delivered == 1


def test_a_reset_neither_repeats_nor_forgets_events(bus: NatsBus, test_topology: Topology) -> None:
    for number in range(3):
        bus.publish("ingest.event.asr", str(number).encode(), f"event-{number}")
    first = bus.fetch("ledger", EVENT_STREAM, 1)
    assert first is not None
    bus.ack(first)
    assert bus.fetch("ledger", EVENT_STREAM, 1) is not None
    bus.reset_consumers(test_topology)
    left = [bus.fetch("ledger", EVENT_STREAM, 0.5) for _ in range(3)]
    assert [item and item.data for item in left] == [b"1", b"2", None]
    bus.provision(test_topology)


def test_events_are_read_from_a_position_on(bus: NatsBus) -> None:
    for number in range(3):
        bus.publish("ingest.event.asr", str(number).encode(), f"event-{number}")
    epoch, last = bus.position(EVENT_STREAM)
    assert epoch > 0
    assert bus.after(EVENT_STREAM, "ingest.event.*", last - 2) == (last - 1, b"1")
    assert bus.after(EVENT_STREAM, "ingest.event.*", last) is None


def test_who_waits_for_the_broker_when_the_connection_is_closed_hears_of_it(
    connect_bus: Callable[[], NatsBus], bus: NatsBus, nats_server: EmbeddedNats
) -> None:
    bus.publish(REQUESTED, b"x", "x")
    closing = connect_bus()
    delivery = closing.fetch("check", WORK_STREAM, 2)
    assert delivery is not None
    said: list[BaseException] = []

    def give_back() -> None:
        try:
            closing.nak(delivery)
        except BusError as error:
            said.append(error)

    waiting = threading.Thread(target=give_back)
    stop(nats_server.process.pid)
    try:
        waiting.start()
        time.sleep(0.5)
        closing.close()
        waiting.join(30.0)
    finally:
        nats_server.process.send_signal(signal.SIGCONT)
    assert not waiting.is_alive()
    assert [type(error) for error in said] == [BusUnavailableError]
    closing.release(delivery)
    closing.publish_unreliable("ingest.event.check", b"{}")
    with pytest.raises(BusUnavailableError):
        closing.publish(REQUESTED, b"y", "y")


def test_an_answer_for_a_message_that_the_broker_does_not_know_to_be_in_hand_ends_when_somebody_else_has_it(
    bus: NatsBus,
) -> None:
    """As after a crash: the server has forgotten the delivery, and says nothing to its acknowledgement."""
    bus.publish(REQUESTED, b"x", "x")
    delivery = bus.fetch("check", WORK_STREAM, 2)
    assert delivery is not None
    *before, _delivered, _stream, later, at, left = delivery.reply.split(".")
    unknown = replace(delivery, reply=".".join([*before, "1", "900", str(int(later) + 900), at, left]))
    began = time.monotonic()
    with pytest.raises(BusUnavailableError, match="no answer for 2 s"):
        bus.ack(unknown)
    assert time.monotonic() - began < ACK_WAIT_S + REQUEST_TIMEOUT_S + 1
    again = bus.fetch("check", WORK_STREAM, 5)
    assert again is not None
    bus.ack(again)
