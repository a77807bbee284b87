"""The recordings that were erased: removes their rows, and keeps a checksum of each id so that none comes back."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingest.embedder.postgres.database import Database

MARK = "INSERT INTO forgotten (digest) SELECT unnest(%s::bytea[]) ON CONFLICT (digest) DO NOTHING"
UNMARK = "DELETE FROM forgotten WHERE digest = ANY(%s)"
MARKED = "SELECT digest FROM forgotten WHERE digest = ANY(%s)"
COUNT = "SELECT video_id, count(*) FROM segments WHERE video_id = ANY(%s) GROUP BY video_id"
SET_ASIDE = """
DELETE FROM events_set_aside USING unnest(%(ids)s::text[]) AS id
WHERE events_set_aside.video_id = id OR position(convert_to(id, 'UTF8') IN payload) > 0
"""
CHANGES = """
DELETE FROM changes USING unnest(%(ids)s::text[]) AS id WHERE changes.video_id = id OR position(id IN result) > 0
"""
ROWS = "DELETE FROM videos WHERE video_id = ANY(%s)"


def digest(video_id: str) -> bytes:
    """Return the checksum by which an erased recording is known."""
    return hashlib.sha256(video_id.encode()).digest()


def mark(database: Database, video_ids: Iterable[str]) -> None:
    """Let the archive take no row of these videos any more."""
    with database.transaction() as connection:
        connection.execute(MARK, ([digest(video_id) for video_id in video_ids],))


def unmark(database: Database, video_ids: Iterable[str]) -> int:
    """Let the archive take these videos again; return how many of them were marked."""
    with database.transaction() as connection:
        return connection.execute(UNMARK, ([digest(video_id) for video_id in video_ids],)).rowcount


def marked(database: Database, video_ids: Iterable[str]) -> set[str]:
    """Return those of the videos that were erased."""
    ids = {digest(video_id): video_id for video_id in video_ids}
    with database.transaction() as connection:
        rows = connection.execute(MARKED, (list(ids),)).fetchall()
    return {ids[bytes(found)] for (found,) in rows if isinstance(found, bytes)}


def passages(database: Database, video_ids: Iterable[str]) -> dict[str, int]:
    """Return the number of passages of each video that has any."""
    with database.transaction() as connection:
        rows = connection.execute(COUNT, (list(video_ids),)).fetchall()
    return {str(video_id): int(str(count)) for video_id, count in rows}


def erase_rows(database: Database, video_ids: Iterable[str]) -> None:
    """Delete the rows of videos with their passages and vectors, events of them that were set aside, and changes."""
    ids = list(video_ids)
    with database.transaction() as connection:
        connection.execute(SET_ASIDE, {"ids": ids})
        connection.execute(CHANGES, {"ids": ids})
        connection.execute(ROWS, (ids,))
