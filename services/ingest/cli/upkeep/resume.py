"""`ingest resume`: rebuilds the queue after the broker has lost everything, from the table and the volume.

The table knows every video and whether it has come to an end; the volume has what its stages have made, which they find
by themselves. So a video that is not at its end and has no message on the broker is asked for again, as a new run.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ingest.cli.local.state_folder import connected
from ingest.cli.runs import submissions
from ingest.embedder.catalog import Catalog
from ingest.shared.broker.bus import BusUnavailableError
from ingest.shared.broker.connect import bus_topology
from ingest.shared.broker.topology import EVENT_STREAM, LEDGER
from ingest.shared.video_state import ENDED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingest.cli.settings import AllSettings
    from ingest.embedder.catalog import VideoRow
    from ingest.shared.broker.nats_bus import NatsBus

LEDGER_WAIT_S = 60.0
POLL_S = 0.2
ALL = 10_000_000


def resume(settings: AllSettings, *, dry_run: bool) -> list[str]:
    """Ask again for what the broker has lost (or with `dry_run` only look); return the video ids."""
    with connected(settings) as to:
        to.bus.provision(bus_topology(to.settings))
        return resume_lost(to.bus, Catalog(to.archive), dry_run=dry_run)


def resume_lost(bus: NatsBus, catalog: Catalog, *, dry_run: bool) -> list[str]:
    """Do what `resume` does, with given connections; streams and consumers are there."""
    queued = submissions.queued_ids(bus)
    _wait_for_ledger(bus)
    found = lost(catalog.chosen(limit=ALL), queued)
    if not dry_run:
        for row in found:
            submissions.publish(bus, submissions.instead(row.as_state()))
    return [row.video_id for row in found]


def lost(rows: Iterable[VideoRow], queued: set[str]) -> list[VideoRow]:
    """Return the videos that are not at their end, and of which no message is anywhere."""
    return [row for row in rows if row.state not in ENDED and row.video_id not in queued and row.source_url is not None]


def _wait_for_ledger(bus: NatsBus) -> None:
    """Wait until the table has heard of everything that has happened: a video may just have come to its end."""
    deadline = time.monotonic() + LEDGER_WAIT_S
    while (lag := bus.lag(LEDGER, EVENT_STREAM)).waiting or lag.in_hand:
        if time.monotonic() > deadline:
            raise BusUnavailableError(f"{lag.waiting} events are not in the table yet: is an embedder running?")
        time.sleep(POLL_S)
