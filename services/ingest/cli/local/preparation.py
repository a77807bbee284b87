"""Brings the schema and the streams of the local mode up to date, and takes back what ended services left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.embedder import database
from ingest.embedder.ledger import Ledger
from ingest.embedder.migrate import migrate
from ingest.shared.broker.connect import bus_topology, connect
from ingest.shared.worker import crash_journal

if TYPE_CHECKING:
    from ingest.cli.settings import AllSettings


def prepare(settings: AllSettings, *, owns_broker: bool) -> None:
    """Bring schema and streams up to date; with a broker that no other process uses, also `take_back`."""
    with database.connect(settings, size=1, name="ingest") as archive:
        migrate(archive)
    bus = connect(settings, "cli.local")
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
    crash_journal.forgive(settings.volume / "workers")
    with database.connect(settings, size=1, name="ingest") as archive:
        bus = connect(settings, "cli.local")
        try:
            bus.reset_consumers(bus_topology(settings))
            Ledger(bus, archive).catch_up()
        finally:
            bus.close()
