"""The disk gate closes above 80 %, opens below 70 %, and measures at intervals."""

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
    ("used", "is_paused"),
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
def test_the_gate_closes_above_80_and_opens_below_70_percent(used: list[int], is_paused: bool) -> None:  # noqa: FBT001 (a table)
    disk = Disk()
    gate = disk.gate()
    for share in used:
        disk.set(share)
        reason = gate.pause_reason()
    assert (reason is not None) is is_paused


def test_the_gate_is_closed_while_the_disk_cannot_be_measured() -> None:
    disk = Disk()
    gate = disk.gate()
    disk.set(-1)
    assert gate.pause_reason() == "ENV_VOLUME: measure: Stale file handle"
    disk.now += 1
    assert gate.pause_reason() is not None
    disk.set(10)
    assert gate.pause_reason() is None


def test_the_reason_names_the_share() -> None:
    disk = Disk()
    disk.set(93)
    assert disk.gate().pause_reason() == "the volume uses 93% of its disk budget"


def test_the_disk_is_measured_at_once_and_then_at_intervals() -> None:
    disk = Disk()
    gate = disk.gate()
    disk.used = 90
    assert gate.pause_reason() is not None
    disk.used = 0
    disk.now += MEASURE_EVERY_S - 0.1
    assert gate.pause_reason() is not None
    assert disk.measured == 1
    disk.now += 0.1
    assert gate.pause_reason() is None
    assert disk.measured == 2
