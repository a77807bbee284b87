"""The time split of a device with the real batcher and real threads: it names bottlenecks made on purpose.

Each message is a thread that does what the asr stage does: reads and decodes, has its chunks recognised with those of
the others, writes and publishes. The device is a pause, so that the test decides what is slow.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from ingest.shared.device.batcher import Batcher, BatchLimits
from ingest.shared.telemetry.time_split import ASR_CAUSES, BLOCKED, BUSY, DECODING, LOADING, STARVED, DeviceTime

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Costs:
    """Seconds that each part takes: loading the model, the pause between messages, and the parts of a message."""

    load_s: float = 0.02
    arrive_s: float = 0.0
    decode_s: float = 0.005
    batch_s: float = 0.005
    publish_s: float = 0.005
    messages: int = 6
    hands: int = 2


def run(costs: Costs) -> tuple[dict[str, float], float]:
    """Return the seconds by state and the wall seconds of a service that handles messages at these costs."""
    began = time.monotonic()
    device = DeviceTime(ASR_CAUSES)
    time.sleep(costs.load_s)
    device.ready()

    def recognise(chunks: Sequence[int]) -> Sequence[int]:
        time.sleep(costs.batch_s)
        return chunks

    batcher: Batcher[int, int] = Batcher(recognise, BatchLimits(4, 0.001), around=device.running)
    free = threading.Semaphore(costs.hands)

    def handle() -> None:
        with free:
            with device.doing(DECODING):
                time.sleep(costs.decode_s)
            list(batcher.map(range(8)))
            with device.doing(BLOCKED):
                time.sleep(costs.publish_s)

    hands = [threading.Thread(target=handle) for _ in range(costs.messages)]
    for hand in hands:
        time.sleep(costs.arrive_s)
        hand.start()
    for hand in hands:
        hand.join()
    batcher.close()
    return device.seconds(), time.monotonic() - began


@pytest.mark.parametrize(
    ("costs", "bottleneck"),
    [
        pytest.param(Costs(load_s=1.5), LOADING, id="a large model"),
        pytest.param(Costs(arrive_s=0.25), STARVED, id="slow downloads"),
        pytest.param(Costs(decode_s=0.4), DECODING, id="slow processors"),
        pytest.param(Costs(publish_s=0.4), BLOCKED, id="a slow disk or broker"),
        pytest.param(Costs(batch_s=0.1), BUSY, id="a slow device"),
    ],
)
def test_the_split_names_the_bottleneck_and_adds_up_to_wall_time(costs: Costs, bottleneck: str) -> None:
    seconds, wall_s = run(costs)
    assert max(seconds, key=lambda state: seconds[state]) == bottleneck, seconds
    assert seconds[bottleneck] > wall_s / 2, seconds
    assert sum(seconds.values()) == pytest.approx(wall_s, rel=0.01)


def test_one_run_with_every_bottleneck_shows_each_with_its_own_time() -> None:
    seconds, wall_s = run(Costs(load_s=0.5, arrive_s=0.3, decode_s=0.1, batch_s=0.05, publish_s=0.1, messages=5))
    assert sum(seconds.values()) == pytest.approx(wall_s, rel=0.01)
    assert seconds[LOADING] == pytest.approx(0.5, abs=0.1)
    assert seconds[BUSY] == pytest.approx(5 * 2 * 0.05, abs=0.25)
    assert all(value > 0.05 for value in seconds.values()), seconds
