"""Fixtures that several tests of this folder share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ingest.shared.broker.nats_bus import NatsBus

from tests.support.workbench import Bench

pytest.register_assert_rewrite("tests.support.stage_conformance")


@pytest.fixture
def bench(bus: NatsBus, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(bus, tmp_path)
    yield made
    made.stop()
