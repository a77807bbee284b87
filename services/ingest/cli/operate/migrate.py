"""`ingest migrate`: schema, streams and index."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.local.state_folder import open_connections
from ingest.cli.runs import vector_index
from ingest.embedder.postgres.migrate import migrate
from ingest.shared import outgoing
from ingest.shared.broker.bus import BusUnavailableError
from ingest.shared.broker.connect import bus_topology
from ingest.shared.errors import Code, IngestError

if TYPE_CHECKING:
    from ingest.cli.settings import AllSettings

PAUSE_S = 2.0


def run(settings: AllSettings, *, index: bool, wait_s: float, least: int = 0) -> None:
    """Apply migrations, create or update streams and consumers, and with `index` build the vector index.

    The index is built for the models with at least `least` passages.

    Wait up to `wait_s` for servers to start.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            _run(settings, index=index, least=least)
        except (IngestError, BusUnavailableError) as error:
            unavailable = isinstance(error, BusUnavailableError) or error.code is Code.ENV_DB_UNAVAILABLE
            if not unavailable or time.monotonic() > deadline:
                raise
            console.err.print(f"waiting: {outgoing.indented(str(error))}", markup=False)
            time.sleep(PAUSE_S)
        else:
            return


def _run(settings: AllSettings, *, index: bool, least: int) -> None:
    with open_connections(settings) as connections:
        applied = migrate(connections.database)
        console.out.print(f"schema: {', '.join(applied) if applied else 'up to date'}")
        connections.bus.provision(bus_topology(connections.settings), update=True)
        console.out.print("streams and consumers: up to date")
        if index:
            built = vector_index.build(connections.database, passages=least)
            console.out.print(f"vector index: {', '.join(built) if built else 'up to date'}")
