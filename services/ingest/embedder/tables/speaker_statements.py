"""What people have said about the speakers of recordings, as it is stored. A speaker's erasure removes it, too."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from ingest.embedder.corrections.names import SpeakerStatement
from ingest.embedder.tables.corrections import LOCK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from ingest.embedder.corrections.names import Outcome, Span
    from ingest.embedder.postgres.database import Connection, Database
    from ingest.embedder.tables.corrections import Author

COLUMNS = "video_id, id, kind, name, spans, others, alike, author"
OF_VIDEO = f"SELECT {COLUMNS} FROM speaker_statements WHERE video_id = %s ORDER BY id"  # noqa: S608 (constants only)
OF_VIDEOS = f"SELECT {COLUMNS} FROM speaker_statements WHERE video_id = ANY(%s) ORDER BY id"  # noqa: S608 (constants only)
ALL = f"SELECT {COLUMNS} FROM speaker_statements ORDER BY id"  # noqa: S608 (constants only)
ADD = """
INSERT INTO speaker_statements (video_id, kind, name, spans, others, alike, author, reason)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
"""
NOTE = "UPDATE speaker_statements SET state = %s WHERE id = %s AND state <> %s"
LISTED = """
SELECT id, video_id, title, kind, name, spans, speaker_statements.state, author, reason, made_at
FROM speaker_statements JOIN videos USING (video_id) WHERE %(video)s::text IS NULL OR video_id = %(video)s
ORDER BY id DESC
"""
VIDEO = "SELECT video_id FROM speaker_statements WHERE id = %s"
REMOVE = "DELETE FROM speaker_statements WHERE id = %s"
OF_PERSON = "SELECT count(*) FROM speaker_statements WHERE lower(name) = lower(%s)"
FORGET = "DELETE FROM speaker_statements WHERE lower(name) = lower(%s)"
COUNTS = "SELECT state, count(*) FROM speaker_statements GROUP BY state"


@dataclass(frozen=True)
class StatementRow:
    """A stored statement: how many turns it was about, when the first one begins, and what became of it."""

    id: int
    video_id: str
    title: str | None
    kind: str
    name: str
    start_s: float
    turns: int
    state: str
    author: str
    reason: str
    made_at: datetime


def of_video(connection: Connection, video_id: str) -> tuple[SpeakerStatement, ...]:
    """Return what was said about the speakers of a video, in the order in which it was said."""
    return tuple(_statement(row) for row in connection.execute(OF_VIDEO.encode(), (video_id,)).fetchall())


def of_all(database: Database) -> dict[str, list[SpeakerStatement]]:
    """Return what was said about the speakers of each video about which anything was."""
    with database.transaction() as connection:
        return _by_video(connection.execute(ALL.encode()).fetchall())


def of_videos(database: Database, video_ids: Sequence[str]) -> dict[str, list[SpeakerStatement]]:
    """Return what was said about the speakers of these videos."""
    with database.transaction() as connection:
        return of_each(connection, video_ids)


def of_each(connection: Connection, video_ids: Sequence[str]) -> dict[str, list[SpeakerStatement]]:
    """Return what was said about the speakers of these videos, within a transaction."""
    return _by_video(connection.execute(OF_VIDEOS.encode(), (list(video_ids),)).fetchall())


def add(database: Database, video_id: str, one: SpeakerStatement, by: Author) -> int:
    """Store a statement, whose id is not known yet; return its id."""
    spans = (_flat(one.spans), _flat(one.others), _flat(one.like))
    with database.transaction() as connection:
        connection.execute(LOCK, (video_id,))
        row = connection.execute(ADD, (video_id, one.kind, one.name, *spans, by.name, by.reason)).fetchone()
    return int(str(row[0])) if row else 0


def note(connection: Connection, outcomes: Iterable[Outcome]) -> None:
    """Store what became of statements."""
    with connection.cursor() as cursor:
        cursor.executemany(NOTE, [(one.state, one.statement, one.state) for one in outcomes])


def listed(database: Database, video_id: str | None) -> list[StatementRow]:
    """Return statements, the latest first."""
    with database.transaction() as connection:
        rows: list[Any] = connection.execute(LISTED, {"video": video_id}).fetchall()
    found = []
    for number, of_video, title, kind, name, spans, *rest in rows:
        about = (number, of_video, title, kind, name, min(spans, default=0.0), len(spans) // 2)
        found.append(StatementRow(*about, *rest))
    return found


def video_of(database: Database, statement: int) -> str | None:
    """Return the video of a statement; None when there is no such statement."""
    with database.transaction() as connection:
        row = connection.execute(VIDEO, (statement,)).fetchone()
    return str(row[0]) if row else None


def remove(database: Database, video_id: str, statement: int) -> None:
    """Delete a statement about a video."""
    with database.transaction() as connection:
        connection.execute(LOCK, (video_id,))
        connection.execute(REMOVE, (statement,))


def about_person(database: Database, name: str, *, erase: bool) -> int:
    """Return how many statements name a person, ignoring case; with `erase`, delete them."""
    with database.transaction() as connection:
        if erase:
            return connection.execute(FORGET, (name,)).rowcount
        row = connection.execute(OF_PERSON, (name,)).fetchone()
    return int(str(row[0])) if row else 0


def counts(database: Database) -> dict[str, int]:
    """Return the number of statements in each state."""
    with database.transaction() as connection:
        return {str(state): int(str(count)) for state, count in connection.execute(COUNTS).fetchall()}


def _by_video(rows: Iterable[Any]) -> dict[str, list[SpeakerStatement]]:
    found: dict[str, list[SpeakerStatement]] = {}
    for row in rows:
        found.setdefault(str(row[0]), []).append(_statement(row))
    return found


def _statement(row: Any) -> SpeakerStatement:  # noqa: ANN401 (a row of the database)
    _, number, kind, name, spans, others, alike, author = row
    return SpeakerStatement(
        number, kind, name, tuple(_pairs(spans)), tuple(_pairs(others)), tuple(_pairs(alike)), author
    )


def _flat(spans: Iterable[Span]) -> list[float]:
    return list(chain.from_iterable(spans))


def _pairs(numbers: list[float]) -> Iterator[Span]:
    return zip(numbers[::2], numbers[1::2], strict=True)
