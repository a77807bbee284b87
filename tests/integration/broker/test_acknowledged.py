"""A broker that still holds acknowledged messages: its disk was full when it should have removed them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from ingest.cli.local.nats_server import NATS_USER, EmbeddedNats
from ingest.shared.broker.bus import Lag
from ingest.shared.broker.nats_bus import NatsBus
from ingest.shared.broker.nats_connection import BusOptions
from ingest.shared.broker.topology import REQUESTED, WORK_STREAM

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ingest.shared.broker.topology import Topology


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedNats]:
    """A broker of this test alone: it is stopped, and its files are changed."""
    server = EmbeddedNats(tmp_path / "nats")
    yield server
    server.stop()


@pytest.fixture
def bus(server: EmbeddedNats) -> Iterator[NatsBus]:
    options = BusOptions(server.url, "test", patience_s=20.0, user=NATS_USER, password=server.password)
    bus = NatsBus(options).connect()
    yield bus
    bus.close()


def _publish(bus: NatsBus, *texts: bytes) -> None:
    for text in texts:
        bus.publish(REQUESTED, text, text.decode())


@pytest.mark.long
def test_what_is_done_and_still_stored_is_removed_by_an_update_and_nothing_else(
    server: EmbeddedNats, bus: NatsBus, test_topology: Topology, tmp_path: Path
) -> None:
    bus.provision(test_topology)
    _publish(bus, b"one", b"two")
    server.stop()
    messages = tmp_path / "nats" / "jetstream" / "$G" / "streams" / WORK_STREAM / "msgs"
    shutil.copytree(messages, tmp_path / "kept")
    server.restart()
    while (delivery := bus.fetch("check", WORK_STREAM, 3)) is not None:
        bus.ack(delivery)
    server.stop()
    shutil.rmtree(messages)
    (tmp_path / "kept").rename(messages)
    server.restart()
    assert bus.fetch("check", WORK_STREAM, 3) is None
    assert bus.stored(WORK_STREAM) == 2

    _publish(bus, b"in progress", b"waiting")
    assert bus.fetch("check", WORK_STREAM, 3) is not None
    bus.provision(test_topology)
    assert bus.stored(WORK_STREAM) == 4
    bus.provision(test_topology, update=True)
    assert [data for _, data in bus.read(WORK_STREAM, "ingest.>")] == [b"in progress", b"waiting"]
    assert bus.lag("check", WORK_STREAM) == Lag(waiting=1, in_flight=1)
