"""Reads recordings, transcripts and speakers from the archive. Every transaction is read-only."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from ingest.embedder.search.search_query import CONFIGS
from ingest.embedder.tables.changes import READ as CHANGE
from ingest.embedder.tables.changes import Outcome
from ingest.embedder.tables.store import overlay_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.embedder.corrections.overlay import Overlay
    from ingest.embedder.postgres.database import Connection, Database

OLDEST = datetime(1, 1, 1, tzinfo=UTC)  # takes the place of an unknown date in the order of recordings
MOST_NAMED = 20  # speakers of a recording that are named in a feed
COLUMNS = """video_id, title, channel, published_at, duration_s, language, state, passages, source_kind, source_url,
    error_code, error_message, updated_at, date_source"""
LISTED = f"""
SELECT {COLUMNS} FROM videos
WHERE (%(channel)s::text IS NULL OR left(lower(channel), 200) = left(lower(%(channel)s), 200))
    AND (%(language)s::text IS NULL OR language = %(language)s)
    AND (%(state)s::text IS NULL OR state = %(state)s)
    AND (%(since)s::timestamptz IS NULL OR published_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR published_at < %(until)s)
    AND (%(speaker)s::text IS NULL OR EXISTS (SELECT FROM segments WHERE segments.video_id = videos.video_id
        AND left(lower(speaker), 200) = left(lower(%(speaker)s), 200)))
    AND (%(after_id)s::text IS NULL
        OR (coalesce(published_at, %(oldest)s), video_id) < (%(after_date)s::timestamptz, %(after_id)s))
ORDER BY coalesce(published_at, %(oldest)s) DESC, video_id DESC LIMIT %(limit)s
"""  # noqa: S608 (constants only)
ONE = f"SELECT {COLUMNS} FROM videos WHERE video_id = %s"  # noqa: S608 (constants only)
LATEST = f"SELECT {COLUMNS} FROM videos WHERE state = ANY(%s) ORDER BY updated_at DESC LIMIT %s"  # noqa: S608 (the same)
PASSAGES = """
SELECT idx, start_s, end_s, text, speaker, speaker_score::float8, is_overlap, flags, named_by, also_speaking
FROM segments WHERE video_id = %s ORDER BY idx
"""
MODELS = "SELECT model FROM models ORDER BY model"
MOST_USED = "SELECT model FROM embeddings GROUP BY model ORDER BY count(*) DESC, model LIMIT 1"
VECTORS = """
SELECT idx, text, embedding FROM embeddings JOIN segments USING (video_id, idx) WHERE video_id = %s AND model = %s
"""
SPEAKERS = """
SELECT speaker, count(DISTINCT video_id), count(*), sum(end_s - start_s)
FROM segments WHERE speaker IS NOT NULL AND speaker !~ '^Unknown [0-9]+$'
GROUP BY speaker ORDER BY 4 DESC, 1 LIMIT %s
"""
EXAMPLES = """
WITH best AS (
    SELECT DISTINCT ON (speaker) speaker, video_id, start_s, end_s, speaker_score::float8 FROM segments
    WHERE speaker = ANY(%s) ORDER BY speaker, speaker_score DESC NULLS LAST, video_id, idx
)
SELECT speaker, video_id, start_s, end_s, speaker_score, title, source_kind, source_url
FROM best JOIN videos USING (video_id)
"""
SPOKEN_IN = """
SELECT video_id, duration_s,
    coalesce((SELECT text FROM segments WHERE segments.video_id = videos.video_id AND idx = 0), ''),
    array(SELECT speaker FROM segments WHERE segments.video_id = videos.video_id AND speaker IS NOT NULL
        AND speaker !~ '^Unknown [0-9]+$' GROUP BY speaker ORDER BY sum(end_s - start_s) DESC, speaker LIMIT %s)
FROM videos WHERE video_id = ANY(%s)
"""
PARTS = {
    column: f"""
SELECT {column}, count(*), coalesce(sum(duration_s), 0)::float8
FROM videos WHERE state = 'indexed' AND {column} IS NOT NULL
GROUP BY {column} ORDER BY 3 DESC, 1 LIMIT %s
"""  # noqa: S608 (constants only)
    for column in ("channel", "language")
}
UNNAMED_S = """
SELECT coalesce(sum(end_s - start_s), 0) FROM segments WHERE speaker IS NULL OR speaker ~ '^Unknown [0-9]+$'
"""
CHANNELS = (
    "SELECT channel FROM videos WHERE channel IS NOT NULL GROUP BY channel ORDER BY count(*) DESC, channel LIMIT %s"
)

# Words that no text search ignores: in each language of the archive they are more than a stop word.
CONTENT_WORDS = """
SELECT word FROM unnest(%s::text[]) AS word
WHERE NOT EXISTS (SELECT FROM unnest(%s::text[]) AS config WHERE to_tsvector(config::regconfig, word) = '')
"""


@dataclass(frozen=True)
class RecordingRow:
    """A recording. Its address may hold a login: it is shown only through `links.link`."""

    video_id: str
    title: str | None
    channel: str | None
    published_at: datetime | None
    duration_s: float | None
    language: str | None
    state: str
    passages: int | None
    source_kind: str | None
    source_url: str | None
    error_code: str | None
    error_message: str | None
    updated_at: datetime
    date_source: str | None = None


@dataclass(frozen=True)
class PassageRow:
    """A passage of a recording, with its speaker and the score of that name, or who has named the speaker by hand.

    `also_speaking` are those who speak at the same time.
    """

    index: int
    start_s: float
    end_s: float
    text: str
    speaker: str | None
    score: float | None
    is_overlap: bool
    flags: list[str]
    named_by: str | None = None
    also_speaking: Sequence[str] = ()


@dataclass(frozen=True)
class SpeakerRow:
    """A named speaker of the archive."""

    speaker: str
    recordings: int
    passages: int
    seconds: float


@dataclass(frozen=True)
class ExampleRow:
    """A passage of a speaker. The address of its recording may hold a login: it is shown only through `links.link`."""

    speaker: str
    video_id: str
    start_s: float
    end_s: float
    score: float | None
    title: str | None
    source_kind: str | None
    source_url: str | None


@dataclass(frozen=True)
class SpokenRow:
    """The first passage of a recording, and the named speakers, the one who speaks most first."""

    duration_s: float | None
    opening: str
    speakers: list[str]


@dataclass(frozen=True)
class PartRow:
    """The searchable recordings of a channel or a language."""

    name: str
    recordings: int
    duration_s: float


@dataclass(frozen=True)
class Listing:
    """Which recordings are listed: filters, and the place (date and id) after which the list goes on."""

    channel: str | None = None
    speaker: str | None = None
    language: str | None = None
    state: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: tuple[datetime, str] | None = None
    limit: int = 20


class Reading:
    """Reads the archive in `database`."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def recordings(self, listing: Listing) -> list[RecordingRow]:
        """Return recordings, the latest first; those without a date come last."""
        after_date, after_id = listing.after or (None, None)
        wanted = {
            **{name: getattr(listing, name) for name in ("channel", "speaker", "language", "state", "since", "until")},
            "limit": listing.limit,
            "after_date": after_date,
            "after_id": after_id,
            "oldest": OLDEST,
        }
        return [_recording(row) for row in self._all(LISTED, wanted)]

    def recording(self, video_id: str) -> RecordingRow | None:
        """Return a recording, or None when the archive has none of this id."""
        rows = self._all(ONE, (video_id,))
        return _recording(rows[0]) if rows else None

    def latest(self, states: Sequence[str], limit: int) -> list[RecordingRow]:
        """Return the recordings in these states, the latest change first."""
        return [_recording(row) for row in self._all(LATEST, (list(states), limit))]

    def passages(self, video_id: str) -> list[PassageRow]:
        """Return the passages of a recording, in order."""
        return [PassageRow(*row) for row in self._all(PASSAGES, (video_id,))]

    def model(self) -> str | None:
        """Return the key of the text model that has the most vectors; None in an archive without any."""
        keys = self._all(MODELS, ())
        rows = keys if len(keys) == 1 else self._all(MOST_USED, ())
        return str(rows[0][0]) if rows else None

    def vectors(self, video_id: str, model: str) -> dict[tuple[int, str], list[float]]:
        """Return the vectors of a recording by number and text of their passages."""
        rows = self._all(VECTORS, (video_id, model))
        return {(index, text): [float(value) for value in vector.to_list()] for index, text, vector in rows}

    def overlay(self, video_id: str) -> Overlay:
        """Return what people have said about a recording."""
        with read_only(self.database) as connection:
            return overlay_of(connection, video_id)

    def speakers(self, limit: int) -> list[SpeakerRow]:
        """Return the named speakers, the one who speaks most first."""
        return [SpeakerRow(*row) for row in self._all(SPEAKERS, (limit,))]

    def examples(self, speakers: Sequence[str]) -> list[ExampleRow]:
        """Return a passage of each of these speakers: the one with the best score."""
        return [ExampleRow(*row) for row in self._all(EXAMPLES, (list(speakers),))]

    def spoken_in(self, video_ids: Sequence[str]) -> dict[str, SpokenRow]:
        """Return the beginning and the speakers of recordings by id."""
        rows = self._all(SPOKEN_IN, (MOST_NAMED, list(video_ids)))
        return {str(video_id): SpokenRow(*row) for video_id, *row in rows}

    def parts(self, column: Literal["channel", "language"], limit: int) -> list[PartRow]:
        """Return the searchable recordings of each channel or language, the longest part first."""
        return [PartRow(*row) for row in self._all(PARTS[column], (limit,))]

    def unnamed_s(self) -> float:
        """Return the seconds of speech whose speaker has no name."""
        return float(self._all(UNNAMED_S, ())[0][0])

    def change(self, change_id: str) -> Outcome | None:
        """Return what became of a change that a reader wanted; None when nothing has been done yet."""
        rows = self._all(CHANGE, (change_id,))
        return Outcome(*rows[0]) if rows else None

    def channels(self, limit: int) -> list[str]:
        """Return the channels with the most recordings."""
        return [str(name) for (name,) in self._all(CHANNELS, (limit,))]

    def content_words(self, words: Sequence[str]) -> list[str]:
        """Return the words that a text search looks for: those that are no stop words in the archive's languages."""
        configs = [name for (name,) in self._all(CONFIGS, ())]
        return [str(word) for (word,) in self._all(CONTENT_WORDS, (list(words), configs))]

    def _all(self, query: str, values: Any) -> list[Any]:  # noqa: ANN401 (parameters of any query)
        with read_only(self.database) as connection:
            return list(connection.execute(query.encode(), values).fetchall())


@contextmanager
def read_only(database: Database) -> Iterator[Connection]:
    """Yield a connection inside a transaction in which the server refuses every change."""
    with database.transaction() as connection:
        connection.execute("SET TRANSACTION READ ONLY")
        yield connection


def _recording(row: Any) -> RecordingRow:  # noqa: ANN401 (a row of the database)
    return RecordingRow(*row)
