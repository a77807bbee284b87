"""A broker that is reached over a WebSocket."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ingest.shared.broker.connect import bus_topology, connect
from ingest.shared.broker.topology import WORK_STREAM
from ingest.shared.settings import Settings
from tests.support.brokers import nats_with

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.filterwarnings("ignore:parameter 'timeout' of type 'float'")  # nats-py gives it to aiohttp
def test_streams_are_made_over_a_websocket(tmp_path: Path) -> None:
    with nats_with(tmp_path, 'websocket { listen: "127.0.0.1:-1", no_tls: true }\n'):
        (ports,) = tmp_path.glob("*.ports")
        settings = Settings(nats_url=json.loads(ports.read_text())["websocket"][0])
        bus = connect(settings, "test.websocket")
        try:
            bus.provision(bus_topology(settings))
            assert bus.position(WORK_STREAM)[1] == 0
        finally:
            bus.close()
