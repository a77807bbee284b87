"""A consumer that is made again at once is tried until the server has removed the files of the one before."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from nats.js.errors import APIError

from ingest.shared.broker.nats_provision import AGAIN_AFTER_S, CONSUMER_NOT_STORED, reset_consumers
from ingest.shared.broker.topology import ConsumerSpec, StreamSpec, Topology

if TYPE_CHECKING:
    from nats.js import JetStreamContext

TOPOLOGY = Topology(
    (StreamSpec("WORK", ("work.>",), work_queue=True, max_bytes=1 << 20),),
    (ConsumerSpec("asr", "WORK", "work.asr", ack_wait_s=1.0, max_ack_pending=1),),
)


@dataclass
class BusyServer:
    """Refuses to create a consumer a few times, as a real server does only now and then."""

    refusals: int
    err_code: int = CONSUMER_NOT_STORED
    made: list[str] = field(default_factory=list)

    async def consumer_info(self, *_: str) -> SimpleNamespace:
        return SimpleNamespace(num_ack_pending=1, ack_floor=None)

    async def delete_consumer(self, *_: str) -> None:
        pass

    async def add_consumer(self, stream: str, wanted: Any) -> None:  # noqa: ANN401 (a foreign shape)
        if self.refusals:
            self.refusals -= 1
            raise APIError(code=500, err_code=self.err_code, description="rename o.dat.tmp: no such file or directory")
        self.made.append(f"{stream}/{wanted.durable_name}")


@pytest.mark.parametrize("refusals", [0, 1, 3])
def test_a_consumer_is_made_again_although_its_files_are_still_being_removed(refusals: int) -> None:
    server = BusyServer(refusals)
    asyncio.run(reset_consumers(cast("JetStreamContext", server), TOPOLOGY))
    assert server.made == ["WORK/asr"]


@pytest.mark.parametrize("server", [BusyServer(1, err_code=10_013), BusyServer(len(AGAIN_AFTER_S) + 1)])
def test_another_refusal_and_one_that_stays_are_errors(server: BusyServer) -> None:
    with pytest.raises(APIError):
        asyncio.run(reset_consumers(cast("JetStreamContext", server), TOPOLOGY))
