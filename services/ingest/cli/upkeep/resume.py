"""`ingest resume`: rebuilds the queue from the table of videos after the broker has lost its streams.

The table has the state of every video, and the volume the files of finished stages, which the stages reuse. So an
unfinished video without a message on the broker is requested again, as a new generation.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ingest.cli.runs import submissions
from ingest.shared.broker import requests
from ingest.shared.broker.bus import BusUnavailableError
from ingest.shared.broker.topology import EVENT_STREAM, LEDGER
from ingest.shared.video_state import ENDED, VideoState

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from ingest.embedder.tables.catalog import Catalog, VideoRow
    from ingest.shared.broker.nats_bus import NatsBus

LEDGER_WAIT_S = 60.0
POLL_S = 0.2
UNFINISHED = tuple(state for state in VideoState if state not in ENDED)


def resume(bus: NatsBus, catalog: Catalog, *, dry_run: bool) -> list[str]:
    """Request the videos again whose messages are lost (with `dry_run` only find them); return their ids.

    Streams and consumers must exist.
    """
    queued = submissions.queued_ids(bus)
    _wait_for_ledger(bus)
    requested = []
    for request in requests.each_request(lost(catalog.each(states=UNFINISHED), queued), requests.build_replacement):
        if not dry_run:
            requests.publish(bus, request)
        requested.append(request.video_id)
    return requested


def lost(rows: Iterable[VideoRow], queued: Container[str]) -> Iterator[VideoRow]:
    """Yield the unfinished videos that have no message on the broker."""
    return (row for row in rows if row.state not in ENDED and row.video_id not in queued and row.source_url is not None)


def _wait_for_ledger(bus: NatsBus) -> None:
    """Wait until all events are in the table: a video may just have been finished."""
    deadline = time.monotonic() + LEDGER_WAIT_S
    while (lag := bus.lag(LEDGER, EVENT_STREAM)).waiting or lag.in_flight:
        if time.monotonic() > deadline:
            raise BusUnavailableError(f"{lag.waiting} events are not in the table yet: is an embedder running?")
        time.sleep(POLL_S)
