"""`ingest migrate`: schema, streams and index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.cli import console
from services.cli.local import connected
from services.embedder.migrate import build_index, migrate
from services.shared.service import bus_topology

if TYPE_CHECKING:
    from services.cli.settings import AllSettings


def run(settings: AllSettings, *, index: bool) -> None:
    """Apply migrations, create or update streams and consumers, and build the vector index if asked for."""
    with connected(settings) as to:
        applied = migrate(to.archive)
        console.out.print(f"schema: {', '.join(applied) if applied else 'up to date'}")
        to.bus.provision(bus_topology(to.settings), update=True)
        console.out.print("streams and consumers: up to date")
        if index:
            built = build_index(to.archive)
            console.out.print(f"vector index: {', '.join(built) if built else 'up to date'}")
