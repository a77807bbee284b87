"""The corrections of people: stored beside the passages, and what became of each of them in the present text.

A correction is added and removed with the row of its video locked, as passages are replaced with it locked: passages
are never stored without a correction that was there before. The row says that the passages are to be built again,
until they are: a command may be interrupted in between.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.embedder.corrections.places import WordCorrection

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ingest.embedder.corrections.words import Outcome
    from ingest.embedder.postgres.database import Connection, Database

LOCK = "UPDATE videos SET is_rebuild_due = true WHERE video_id = %s"  # until its passages are stored again
DONE = "UPDATE videos SET is_rebuild_due = false WHERE video_id = %s AND is_rebuild_due"
UNFINISHED = "SELECT video_id FROM videos WHERE is_rebuild_due ORDER BY video_id"
OF_VIDEO = """
SELECT id, start_s, end_s, expected, replacement, before, after FROM corrections WHERE video_id = %s ORDER BY id
"""
ADD = """
INSERT INTO corrections (video_id, start_s, end_s, expected, replacement, before, after, author, reason, batch)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
"""
NOTE = "UPDATE corrections SET state = %s, found = %s WHERE id = %s AND (state, found) <> (%s, %s)"
LISTED = """
SELECT id, corrections.video_id, title, start_s, expected, replacement, corrections.state, found, author, reason,
    made_at
FROM corrections JOIN videos USING (video_id)
WHERE (%(video)s::text IS NULL OR video_id = %(video)s) AND (%(state)s::text IS NULL OR corrections.state = %(state)s)
ORDER BY id DESC LIMIT %(limit)s
"""
SAME_COMMAND = """
SELECT id, video_id FROM corrections WHERE batch = (SELECT batch FROM corrections WHERE id = %s) ORDER BY id
"""
REMOVE = "DELETE FROM corrections WHERE id = ANY(%s)"
NEEDS_A_LOOK = "needs a look"
COUNTS = "SELECT state, count(*) FROM corrections GROUP BY state"


@dataclass(frozen=True)
class Author:
    """Who corrects, why, and the id that the corrections of one command have in common."""

    name: str
    reason: str
    batch: uuid.UUID


@dataclass(frozen=True)
class CorrectionRow:
    """A stored correction; `found` is what it replaced or, where it needs a look, what is there."""

    id: int
    video_id: str
    title: str | None
    start_s: float
    expected: str
    replacement: str
    state: str
    found: str
    author: str
    reason: str
    made_at: datetime


def author(name: str, reason: str = "") -> Author:
    """Return the author of the corrections of one command."""
    return Author(name, reason, uuid.uuid4())


def of_video(connection: Connection, video_id: str) -> tuple[WordCorrection, ...]:
    """Return the corrections of a video, in the order in which they were made."""
    rows: list[Any] = connection.execute(OF_VIDEO, (video_id,)).fetchall()
    return tuple(WordCorrection(*row) for row in rows)


def add(database: Database, video_id: str, corrections: Iterable[WordCorrection], by: Author) -> list[int]:
    """Store corrections of a video, whose ids are not known yet; return their ids."""
    with database.transaction() as connection:
        connection.execute(LOCK, (video_id,))
        found = []
        for one in corrections:
            place = (one.start_s, one.end_s, one.expected, one.replacement, one.before, one.after)
            row = connection.execute(ADD, (video_id, *place, by.name, by.reason, by.batch)).fetchone()
            found.append(int(str(row[0])) if row else 0)
    return found


def note(connection: Connection, outcomes: Iterable[Outcome]) -> None:
    """Store what became of corrections."""
    with connection.cursor() as cursor:
        values = [(one.state, one.found, one.correction, one.state, one.found) for one in outcomes]
        cursor.executemany(NOTE, values)


def unfinished(database: Database) -> list[str]:
    """Return the videos whose passages do not have the last changes of people yet."""
    with database.transaction() as connection:
        return [str(video_id) for (video_id,) in connection.execute(UNFINISHED).fetchall()]


def listed(database: Database, video_id: str | None, state: str | None, limit: int) -> list[CorrectionRow]:
    """Return corrections, the latest first."""
    wanted = {"video": video_id, "state": state, "limit": limit}
    with database.transaction() as connection:
        rows: list[Any] = connection.execute(LISTED, wanted).fetchall()
    return [CorrectionRow(*row) for row in rows]


def of_same_command(database: Database, correction: int) -> dict[int, str]:
    """Return the corrections that one command has made with this one, each with its video; empty if there is none."""
    with database.transaction() as connection:
        rows = connection.execute(SAME_COMMAND, (correction,)).fetchall()
    return {int(str(number)): str(video_id) for number, video_id in rows}


def remove(database: Database, video_id: str, ids: Sequence[int]) -> None:
    """Delete corrections of a video."""
    with database.transaction() as connection:
        connection.execute(LOCK, (video_id,))
        connection.execute(REMOVE, (list(ids),))


def counts(database: Database) -> dict[str, int]:
    """Return the number of corrections in each state."""
    with database.transaction() as connection:
        return {str(state): int(str(count)) for state, count in connection.execute(COUNTS).fetchall()}
