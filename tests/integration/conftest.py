"""Fixtures that several tests of this folder share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.cli.local.nats_server import EmbeddedNats
    from ingest.shared.broker.nats_bus import NatsBus

from ingest.cli.local.nats_server import NATS_USER
from tests.support.workbench import Bench

pytest.register_assert_rewrite("tests.support.stage_conformance")


@pytest.fixture
def bench(bus: NatsBus, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(bus, tmp_path)
    yield made
    made.stop()


@pytest.fixture
def use_servers(
    nats_server: EmbeddedNats, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Path], None]:
    """A function that lets commands use the servers of the test, and a volume."""

    def use(volume: Path) -> None:
        environment = {
            "NATS_URL": nats_server.url,
            "NATS_USER": NATS_USER,
            "NATS_PASSWORD": nats_server.password,
            "DATABASE_URL": database_url,
            "VOLUME_PATH": str(volume),
        }
        for name, value in environment.items():
            monkeypatch.setenv(f"INGEST_{name}", value)

    return use
