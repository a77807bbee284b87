"""Keeps the events that the ledger cannot write, with the reason: one event must not stop those after it.

They can be folded later, by a program that can write them: `ingest aside replay`. A folded event stays in the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.shared.telemetry.logs import get_logger
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from datetime import datetime

    from ingest.embedder.postgres.database import Database
    from ingest.shared.video_state import Position

LONGEST_KEPT_PAYLOAD = 20_000
STORE = """
INSERT INTO events_set_aside (epoch, sequence, video_id, reason, payload) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (epoch, sequence) DO NOTHING
"""
COUNT = (
    "SELECT count(*) FROM events_set_aside AS kept WHERE to_jsonb(kept) ->> 'folded_at' IS NULL"  # or no such column
)
WAITING = """
SELECT epoch, sequence, video_id, reason, payload, at FROM events_set_aside WHERE folded_at IS NULL
ORDER BY epoch, sequence
"""
FOLDED = "UPDATE events_set_aside SET folded_at = now() WHERE epoch = %s AND sequence = %s"

log = get_logger(__name__)


@dataclass(frozen=True)
class RefusedEvent:
    """An event that is not in the table of videos: its place in the stream, the reason, and its data."""

    position: Position
    reason: str
    data: bytes
    video_id: str | None = None
    at: datetime | None = None

    @property
    def is_cut(self) -> bool:
        """Return whether only the beginning of a long event was kept."""
        return len(self.data) >= LONGEST_KEPT_PAYLOAD


def store(database: Database, refused: RefusedEvent) -> None:
    """Keep an event, and count it."""
    from ingest.shared.telemetry import metrics  # a tenth of a second, which `ingest status` does not need

    payload = refused.data[:LONGEST_KEPT_PAYLOAD]
    with database.transaction() as connection:
        connection.execute(STORE, (*refused.position, refused.video_id, shorten(refused.reason), payload))
    metrics.EVENTS_SET_ASIDE.inc()
    log.error("event_set_aside", sequence=refused.position[1], video_id=refused.video_id, reason=refused.reason)


def count(database: Database) -> int:
    """Return how many events are kept."""
    with database.transaction() as connection:
        (found,) = connection.execute(COUNT).fetchone() or (0,)
    return int(str(found))


def waiting(database: Database) -> list[RefusedEvent]:
    """Return the events that are not folded yet, in the order of the stream."""
    with database.transaction() as connection:
        rows: list[Any] = connection.execute(WAITING).fetchall()
    return [
        RefusedEvent((epoch, sequence), reason, bytes(payload), video_id, at)
        for epoch, sequence, video_id, reason, payload, at in rows
    ]


def mark_folded(database: Database, position: Position) -> None:
    """Count an event as folded; its row stays."""
    with database.transaction() as connection:
        connection.execute(FOLDED, position)
