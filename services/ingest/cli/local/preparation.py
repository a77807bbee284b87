"""Brings the schema and the streams of the local mode up to date, and takes back what ended services left behind."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.embedder.postgres import database
from ingest.embedder.postgres.migrate import migrate
from ingest.embedder.tables.ledger import Ledger
from ingest.shared.broker import websockets
from ingest.shared.broker.bus import BusError
from ingest.shared.broker.connect import COMMAND_WAIT_S, bus_topology, connect
from ingest.shared.errors import IngestError
from ingest.shared.worker import crash_journal
from ingest.shared.worker.notes import notes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.cli.settings import AllSettings
    from ingest.embedder.postgres.database import Database
    from ingest.shared.broker.nats_bus import NatsBus


def import_clients() -> None:
    """Import what `prepare` connects with: tenths of a second, in which the servers start."""
    websockets.import_nats()
    from ingest.shared.broker import nats_bus  # noqa: F401 (for `connect`)


def prepare(settings: AllSettings, *, owns_broker: bool) -> None:
    """Bring schema and streams up to date, and write missed events to the table.

    With a broker that no other process uses, also `take_back`.
    """
    with _connected(settings) as (archive, bus):
        migrate(archive)
        bus.provision(bus_topology(settings), update=True)
        if owns_broker:
            _take_back(settings, archive, bus)
        else:
            write_missed_events(bus, archive)


def take_back(settings: AllSettings) -> None:
    """Release the unacknowledged messages of services that have ended, and write missed events to the table.

    Call this only while no service runs.
    """
    with _connected(settings) as (archive, bus):
        _take_back(settings, archive, bus)


def _take_back(settings: AllSettings, archive: Database, bus: NatsBus) -> None:
    crash_journal.forgive(notes_of(settings))
    bus.reset_consumers(bus_topology(settings))
    write_missed_events(bus, archive)


@contextmanager
def _connected(settings: AllSettings) -> Iterator[tuple[Database, NatsBus]]:
    with database.connect(settings, size=1, name="ingest") as archive:
        bus = connect(settings, "cli.local", first_s=COMMAND_WAIT_S)
        try:
            yield archive, bus
        finally:
            bus.close()


def write_missed_events(bus: NatsBus, archive: Database, patience_s: float = 0.0) -> None:
    """Write missed events to the table; a failure bars no command: the table is only older than the events.

    Those that an ended embedder has taken are waited for, at most for `patience_s`.
    """
    try:
        Ledger(bus, archive).catch_up(patience_s)
    except (BusError, IngestError) as error:
        console.err.print(f"warning: the table of videos is behind its events: {error}", markup=False)
