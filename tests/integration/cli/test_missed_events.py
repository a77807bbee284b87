"""What happened while no embedder ran is in the table before `ingest run` decides by it, on a broker of others, too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ingest.cli.local.nats_server import NATS_USER
from ingest.cli.local.state_folder import open_connections
from ingest.cli.settings import AllSettings
from ingest.shared.broker.topology import EVENT_STREAM, LEDGER, event_subject
from ingest.shared.messages import Event, EventKind, Source, SourceKind, Stage, encode
from ingest.shared.settings import load
from tests.support.brokers import ACK_WAIT_S

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.cli.local.nats_server import EmbeddedNats
    from ingest.shared.broker.nats_bus import NatsBus

SOURCE = Source(kind=SourceKind.MEDIA, url="http://example.org/a.mp3")
TAKEN, WAITING = "taken000001", "waiting0001"


def published(bus: NatsBus, video: str) -> None:
    now = datetime.now(UTC)
    event = Event(video_id=video, generation=1, stage=Stage.CHECK, kind=EventKind.SUBMITTED, at=now, source=SOURCE)
    bus.publish(event_subject(Stage.CHECK), encode(event), f"{video}:submitted")


@pytest.mark.parametrize("where", ["servers of others", pytest.param("own database", marks=pytest.mark.long)])
def test_a_run_knows_the_events_that_no_embedder_has_folded(
    bus: NatsBus, nats_server: EmbeddedNats, database_url: str, tmp_path: Path, where: str
) -> None:
    settings = load(
        AllSettings,
        state_path=tmp_path / "state",
        nats_url=nats_server.url,
        nats_user=NATS_USER,
        nats_password=nats_server.password,
        database_url=database_url if where == "servers of others" else None,
        ack_wait_s=ACK_WAIT_S,
    )
    published(bus, TAKEN)
    assert len(bus.fetch_group(LEDGER, EVENT_STREAM, 10, 1.0)) == 1  # by an embedder that was killed
    published(bus, WAITING)
    with open_connections(settings, exclusive=True) as connections:
        assert {row.video_id for row in connections.catalog.chosen()} == {TAKEN, WAITING}
