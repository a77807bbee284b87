"""The vocabulary of an archive: words and names, how they are misspelt, and in which recordings they are expected.

An entry is added and removed together with a mark on the recordings whose passages are to be built again: a command may
be interrupted in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.embedder.corrections.vocabulary import Replacement

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ingest.embedder.postgres.database import Connection, Database
    from ingest.embedder.tables.corrections import Author

WITHOUT_LOGIN = r"regexp_replace(videos.source_url, '^(https?://)[^/@]*@', '\1')"
IN_SCOPE = f"""(vocabulary.channel IS NULL OR lower(vocabulary.channel) = lower(videos.channel))
    AND (vocabulary.source IS NULL OR starts_with({WITHOUT_LOGIN}, vocabulary.source))"""
OF_VIDEO = f"""
SELECT vocabulary.id, heard, text FROM videos, vocabulary, unnest(heard_as) AS heard
WHERE video_id = %s AND {IN_SCOPE} ORDER BY vocabulary.id, heard
"""  # noqa: S608 (constants only)
ADD = """
INSERT INTO vocabulary (text, heard_as, channel, source, author, reason) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (lower(text), lower(coalesce(channel, '')), coalesce(source, '')) DO UPDATE
SET text = excluded.text, author = excluded.author, reason = excluded.reason, made_at = now(),
    heard_as = ARRAY(SELECT DISTINCT unnest(vocabulary.heard_as || excluded.heard_as) ORDER BY 1)
RETURNING id
"""
LISTED = """
SELECT id, text, heard_as, channel, source, author, reason, made_at FROM vocabulary ORDER BY lower(text), id
"""
OF_PERSON = "SELECT count(*) FROM vocabulary WHERE lower(text) = lower(%s)"
FORGET_PERSON = "DELETE FROM vocabulary WHERE lower(text) = lower(%s)"
FORGET_CHANNEL = "DELETE FROM vocabulary WHERE lower(channel) = lower(%s)"
REMOVE = "DELETE FROM vocabulary WHERE id = ANY(%s)"
DUE = f"""
UPDATE videos SET is_rebuild_due = true
WHERE video_id = ANY(%s) AND EXISTS (SELECT FROM vocabulary WHERE vocabulary.id = ANY(%s) AND {IN_SCOPE})
"""  # noqa: S608 (constants only)


@dataclass(frozen=True)
class Scope:
    """The recordings of an entry: those of a channel, those whose address begins with `source`, or all."""

    channel: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class EntryRow:
    """An entry of the vocabulary."""

    id: int
    text: str
    heard_as: tuple[str, ...]
    channel: str | None
    source: str | None
    author: str
    reason: str
    made_at: datetime


def of_video(connection: Connection, video_id: str) -> tuple[Replacement, ...]:
    """Return what the vocabulary replaces in a video."""
    rows: list[Any] = connection.execute(OF_VIDEO, (video_id,)).fetchall()
    return tuple(Replacement(*row) for row in rows)


def add(
    database: Database, texts: Iterable[str], heard_as: Sequence[str], scope: Scope, by: Author, videos: Sequence[str]
) -> list[int]:
    """Store entries and return their ids; misspellings are added to those of an entry that is there.

    The passages of `videos` are to be built again, as far as the entries are for them.
    """
    with database.transaction() as connection:
        found = []
        for text in texts:
            values = (text, list(heard_as), scope.channel, scope.source, by.name, by.reason)
            row = connection.execute(ADD, values).fetchone()
            found.append(int(str(row[0])) if row else 0)
        connection.execute(DUE, (list(videos), found))
    return found


def remove(database: Database, ids: Sequence[int], videos: Sequence[str]) -> None:
    """Delete entries; the passages of `videos` are to be built again, as far as the entries are for them."""
    with database.transaction() as connection:
        connection.execute(DUE, (list(videos), list(ids)))
        connection.execute(REMOVE, (list(ids),))


def about_person(database: Database, name: str, *, erase: bool) -> int:
    """Return how many entries are the name of a person; with `erase`, delete them."""
    with database.transaction() as connection:
        if erase:
            return connection.execute(FORGET_PERSON, (name,)).rowcount
        row = connection.execute(OF_PERSON, (name,)).fetchone()
    return int(str(row[0])) if row else 0


def forget_channel(database: Database, channel: str) -> int:
    """Delete the entries for the recordings of a channel; return how many there were."""
    with database.transaction() as connection:
        return connection.execute(FORGET_CHANNEL, (channel,)).rowcount


def listed(database: Database) -> list[EntryRow]:
    """Return all entries, by their texts."""
    with database.transaction() as connection:
        rows: list[Any] = connection.execute(LISTED).fetchall()
    return [EntryRow(row[0], row[1], tuple(row[2]), *row[3:]) for row in rows]
