"""The disk gate: pauses above 80 %, goes on below 70 %, and measures only now and then."""

from __future__ import annotations

import pytest

from ingest.downloader.disk_gate import MEASURE_EVERY_S, DiskGate
from ingest.shared.errors import Code, IngestError


class Disk:
    """A disk of 100 bytes, and a clock."""

    def __init__(self) -> None:
        self.used = 0
        self.now = 0.0
        self.measured = 0

    def measure(self) -> int:
        self.measured += 1
        if self.used < 0:
            raise IngestError(Code.ENV_VOLUME, "measure: Stale file handle")
        return self.used

    def gate(self) -> DiskGate:
        return DiskGate(self.measure, 100, lambda: self.now)

    def set(self, used: int) -> None:
        self.used = used
        self.now += MEASURE_EVERY_S


@pytest.mark.parametrize(
    ("used", "is_held"),
    [
        pytest.param([0], False, id="empty"),
        pytest.param([80], False, id="80 %"),
        pytest.param([81], True, id="above 80 %"),
        pytest.param([81, 75], True, id="not yet below 70 %"),
        pytest.param([81, 70], True, id="70 %"),
        pytest.param([81, 69], False, id="below 70 %"),
        pytest.param([81, 69, 75], False, id="75 % on the way up"),
        pytest.param([81, 69, 81], True, id="above 80 % again"),
        pytest.param([150], True, id="more than the budget"),
    ],
)
def test_the_gate_closes_above_80_and_opens_below_70_percent(used: list[int], is_held: bool) -> None:  # noqa: FBT001 (a table)
    disk = Disk()
    gate = disk.gate()
    for share in used:
        disk.set(share)
        held = gate.held()
    assert (held is not None) is is_held


def test_a_disk_that_cannot_be_measured_takes_no_files_until_it_can() -> None:
    disk = Disk()
    gate = disk.gate()
    disk.set(-1)
    assert gate.held() == "ENV_VOLUME: measure: Stale file handle"
    disk.now += 1
    assert gate.held() is not None
    disk.set(10)
    assert gate.held() is None


def test_the_reason_names_the_share() -> None:
    disk = Disk()
    disk.set(93)
    assert disk.gate().held() == "the volume uses 93% of its disk budget"


def test_the_disk_is_measured_at_once_and_then_now_and_then() -> None:
    disk = Disk()
    gate = disk.gate()
    disk.used = 90
    assert gate.held() is not None
    disk.used = 0
    disk.now += MEASURE_EVERY_S - 0.1
    assert gate.held() is not None
    assert disk.measured == 1
    disk.now += 0.1
    assert gate.held() is None
    assert disk.measured == 2
