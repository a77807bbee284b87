"""What became of the changes that readers of the archive wanted: done, or refused with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from ingest.embedder.postgres.database import Database

READ = "SELECT is_done, result, done_at FROM changes WHERE change_id = %s"
STORE = """
INSERT INTO changes (change_id, is_done, result, video_id) VALUES (%s, %s, %s, %s) ON CONFLICT (change_id) DO NOTHING
"""
FORGET = "DELETE FROM changes WHERE done_at < now() - interval '30 days'"
OF_PERSON = "DELETE FROM changes WHERE position(lower(%s) IN lower(result)) > 0"


@dataclass(frozen=True)
class Outcome:
    """What became of a change. `result` says what was done, or why it was refused."""

    is_done: bool
    result: str
    at: datetime | None = None


def outcome(database: Database, change_id: str) -> Outcome | None:
    """Return what became of a change; None when nothing has been done yet, or a month ago."""
    with database.transaction() as connection:
        rows: list[Any] = connection.execute(READ, (change_id,)).fetchall()
    return Outcome(*rows[0]) if rows else None


def store(database: Database, change_id: str, found: Outcome, video_id: str | None = None) -> None:
    """Store what became of a change, of one video if it is about one; forget the old ones."""
    with database.transaction() as connection:
        connection.execute(FORGET)
        connection.execute(STORE, (change_id, found.is_done, found.result, video_id))


def forget_person(database: Database, name: str) -> None:
    """Delete the results that have the name of a person."""
    with database.transaction() as connection:
        connection.execute(OF_PERSON, (name,))
