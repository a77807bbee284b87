"""Brings the schema and the streams of the local mode up to date, and takes back what ended services left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.embedder.postgres import database
from ingest.embedder.postgres.migrate import migrate
from ingest.embedder.tables.ledger import Ledger
from ingest.shared.broker.bus import BusError
from ingest.shared.broker.connect import COMMAND_WAIT_S, bus_topology, connect
from ingest.shared.errors import IngestError
from ingest.shared.worker import crash_journal
from ingest.shared.worker.notes import notes_of

if TYPE_CHECKING:
    from ingest.cli.settings import AllSettings
    from ingest.embedder.postgres.database import Database
    from ingest.shared.broker.nats_bus import NatsBus


def prepare(settings: AllSettings, *, owns_broker: bool) -> None:
    """Bring schema and streams up to date; with a broker that no other process uses, also `take_back`."""
    with database.connect(settings, size=1, name="ingest") as archive:
        migrate(archive)
    bus = connect(settings, "cli.local", first_s=COMMAND_WAIT_S)
    try:
        bus.provision(bus_topology(settings), update=True)
    finally:
        bus.close()
    if owns_broker:
        take_back(settings)


def take_back(settings: AllSettings) -> None:
    """Release the unacknowledged messages of services that have ended, and write missed events to the table.

    Call this only while no service runs.
    """
    crash_journal.forgive(notes_of(settings))
    with database.connect(settings, size=1, name="ingest") as archive:
        bus = connect(settings, "cli.local", first_s=COMMAND_WAIT_S)
        try:
            bus.reset_consumers(bus_topology(settings))
            write_missed_events(bus, archive)
        finally:
            bus.close()


def write_missed_events(bus: NatsBus, archive: Database) -> None:
    """Write missed events to the table; a failure bars no command: the table is only older than the events."""
    try:
        Ledger(bus, archive).catch_up()
    except (BusError, IngestError) as error:
        console.err.print(f"warning: the table of videos is behind its events: {error}", markup=False)
