"""A request waits for room in the work queue where services make it, and is refused where none does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ingest.shared.broker.bus import BusRefusedError
from ingest.shared.broker.requests import MAX_QUEUE_FILL, publish
from ingest.shared.broker.topology import WORK_STREAM
from ingest.shared.messages import Source, SourceKind, Stage, VideoRequested

if TYPE_CHECKING:
    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.broker.topology import Topology

SMALL = 16 << 10  # bytes of the queue


def asked(number: int) -> VideoRequested:
    source = Source(kind=SourceKind.MEDIA, url=f"http://example.org/{number}.mp3")
    return VideoRequested(video_id=f"v{number:010}", generation=1, source=source)


def test_a_nearly_full_queue_is_waited_for_as_long_as_the_caller_wants(bus: NatsBus, test_topology: Topology) -> None:
    streams = [replace(one, max_bytes=SMALL) if one.name == WORK_STREAM else one for one in test_topology.streams]
    bus.provision(replace(test_topology, streams=tuple(streams)), update=True)
    requested = 0
    while bus.fill(WORK_STREAM) <= MAX_QUEUE_FILL:
        publish(bus, asked(requested))
        requested += 1
    with pytest.raises(BusRefusedError):
        publish(bus, asked(requested))

    def work() -> bool:
        message = bus.fetch(Stage.CHECK, WORK_STREAM, 5.0)
        assert message is not None
        bus.ack(message)
        return True

    publish(bus, asked(requested), may_wait=work)
    assert 0 < bus.lag(Stage.CHECK, WORK_STREAM).waiting <= requested
