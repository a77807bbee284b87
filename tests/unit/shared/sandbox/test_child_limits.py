"""The limit of a child's CPU time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox import child
from ingest.shared.sandbox.child import ChildLimits

if TYPE_CHECKING:
    from ingest.shared.sandbox.child import Reporter


def compute(_report: Reporter) -> float:
    total = 0.0
    while True:
        total += math.sqrt(total + 1)


def test_work_that_computes_for_too_long_is_ended_long_before_its_deadline() -> None:
    with pytest.raises(IngestError, match="its process ended with too much CPU time") as ended:
        child.run(compute, (), ChildLimits(300.0, cpu_s=1.0))
    assert ended.value.code is Code.JOB_CRASHED
