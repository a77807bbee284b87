"""A server of a small archive that may ask for changes, and what carries them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from ingest.cli.local.nats_server import NATS_USER
from ingest.embedder.postgres.database import Database
from ingest.embedder.rebuild import Rebuilder
from ingest.embedder.requested_changes import Changes, Tools
from ingest.embedder.tables.ledger import write_events
from ingest.embedder.tables.store import Store
from ingest.shared.artifacts.volume import Volume
from ingest.shared.broker.topology import CHANGE_STREAM
from tests.integration.cli.test_forget import event
from tests.integration.embedder.test_speakers_by_hand import index, spoken, turns
from tests.support.archive_server import LIMITS, Client, archive
from tests.support.changes import DEBATE, TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ingest.cli.local.nats_server import EmbeddedNats
    from ingest.embedder.text_model.model_keys import PassageModel, TextModel
    from ingest.shared.broker.nats_bus import NatsBus


@pytest.fixture
def login(bus: NatsBus, nats_server: EmbeddedNats) -> dict[str, object]:
    """The settings for a broker whose streams are new and empty."""
    assert bus.stored(CHANGE_STREAM) == 0
    return {"nats_url": nats_server.url, "nats_user": NATS_USER, "nats_password": SecretStr(nats_server.password)}


@pytest.fixture
def server(
    login: dict[str, object], archive_url: str, archive_volume: Path, archive_encoder: TextModel
) -> Iterator[Client]:
    """A server that may ask for changes."""
    with archive(archive_url, archive_volume, archive_encoder, archive_edit_token=TOKEN, **login) as client:
        yield client


@pytest.fixture(scope="module")
def archive_database(archive_url: str) -> Iterator[Database]:
    with Database(SecretStr(archive_url), password=None, size=2, timeout_s=20.0, name="test").open() as database:
        yield database


@pytest.fixture(scope="module")
def rebuilder(archive_database: Database, archive_volume: Path, archive_encoder: PassageModel) -> Rebuilder:
    """What builds passages again, in an archive with a recording of three unknown speakers more."""
    volume = Volume(archive_volume)
    write_events(archive_database, [(event(DEBATE, "a debate"), (1, 9))])
    index(archive_database, volume, archive_encoder, spoken(turns()), 1)
    store = Store(archive_database, archive_encoder.key, archive_encoder.dimensions)
    return Rebuilder(volume, archive_database, store, archive_encoder, archive_encoder.key, LIMITS)


@pytest.fixture
def _carried_out(bus: NatsBus, archive_database: Database, rebuilder: Rebuilder) -> Iterator[None]:
    thread = Changes(Tools(bus, archive_database, lambda: rebuilder))
    thread.start()
    yield
    thread.stop()
