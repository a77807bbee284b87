"""Fixtures that several tests of this folder share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.cli.local.nats_server import EmbeddedNats
    from ingest.cli.local.postgres.server import EmbeddedPostgres
    from ingest.embedder.text_model.model_keys import TextModel
    from ingest.shared.broker.nats_bus import NatsBus
    from tests.support.archive_server import Client

from ingest.cli.local.nats_server import NATS_USER
from ingest.embedder.settings import EmbedderSettings
from ingest.embedder.text_model import light_encoder
from ingest.shared.settings import load
from tests.support import archive_server
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


@pytest.fixture(scope="module")
def archive_encoder() -> TextModel:
    return light_encoder.load(load(EmbedderSettings))


@pytest.fixture(scope="module")
def archive_volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("volume")


@pytest.fixture(scope="module")
def archive_url(
    postgres: EmbeddedPostgres,
    archive_volume: Path,
    archive_encoder: TextModel,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> str:
    """The address of a database, named after the file of the tests, with a small archive."""
    name = request.path.stem
    return archive_server.stored(postgres, name, archive_volume, archive_encoder, tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def ask(archive_url: str, archive_volume: Path, archive_encoder: TextModel) -> Iterator[Client]:
    """A client of a server of that archive."""
    with archive_server.archive(archive_url, archive_volume, archive_encoder) as client:
        yield client
