"""Reads the table `videos`, and the passages of a video, for the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.embedder.tables import forgotten
from ingest.shared.about import DateSource
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.messages import Metadata, Policy, Source, SourceKind, Stage
from ingest.shared.telemetry.time_split import DEVICE_FIGURES
from ingest.shared.text import first_line
from ingest.shared.video_state import VideoRecord, VideoState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from ingest.embedder.postgres.database import Database

DATED_BY: dict[str, str] = {  # in words, by the column `date_source`
    DateSource.GIVEN: "given with --published",
    DateSource.SITE: "by its site or feed",
    DateSource.FILE: "by the time inside the file",
    DateSource.NAME: "by its name",
}
COLUMNS = """video_id, generation, state, stage, attempts, error_code, error_message, retry_at, source_kind, source_url,
    title, channel, published_at, duration_s, min_speakers, max_speakers, given_language, likely_language,
    date_source, policy, fresh_from, language, passages, figures, asked_at, event_epoch, event_sequence, updated_at"""
ONE = f"SELECT {COLUMNS} FROM videos WHERE video_id = ANY(%s)"  # noqa: S608 (constants only)
CHOSEN = f"""
SELECT {COLUMNS} FROM videos
WHERE (%(states)s::text[] IS NULL OR state = ANY(%(states)s))
    AND (%(codes)s::text[] IS NULL OR error_code = ANY(%(codes)s))
ORDER BY updated_at DESC LIMIT %(limit)s
"""  # noqa: S608 (constants only)
EACH = f"""
SELECT {COLUMNS} FROM videos
WHERE video_id > %(after)s AND (%(states)s::text[] IS NULL OR state = ANY(%(states)s))
    AND (%(codes)s::text[] IS NULL OR error_code = ANY(%(codes)s))
ORDER BY video_id LIMIT %(limit)s
"""  # noqa: S608 (constants only)
DISAGREEING = f"""
SELECT {COLUMNS} FROM videos
WHERE (figures ->> 'asr.captions_compared')::float8 > 0 AND policy #>> '{{captions,use}}' <> 'only'
    AND (%(states)s::text[] IS NULL OR state = ANY(%(states)s))
    AND (%(codes)s::text[] IS NULL OR error_code = ANY(%(codes)s))
ORDER BY (figures ->> 'asr.captions_disagreement')::float8 DESC, video_id LIMIT %(limit)s
"""  # noqa: S608 (constants only)
PAGE = 1000  # rows that are read at a time, of all
TOTALS = """
SELECT state, coalesce(error_code, ''), count(*), coalesce(sum(duration_s), 0), coalesce(sum(passages), 0)
FROM videos GROUP BY state, error_code ORDER BY 1, 3 DESC
"""
LATEST = 5000  # recordings whose figures are summed: those of a million take seconds
DEVICE_SECONDS = f"""
SELECT name, sum(seconds::float8)
FROM (SELECT figures FROM videos ORDER BY updated_at DESC LIMIT {LATEST}) AS latest,
    jsonb_each_text(figures) AS figure (name, seconds)
WHERE name = ANY(%s) GROUP BY name
"""  # noqa: S608 (constants only)
CHANNEL_LANGUAGES = """
SELECT channel, language FROM (
    SELECT channel, language, count(*) AS recordings, sum(count(*)) OVER (PARTITION BY channel) AS total
    FROM videos WHERE channel = ANY(%s) AND state = 'indexed' AND language IS NOT NULL GROUP BY channel, language
) AS counted
WHERE recordings >= 3 AND recordings >= 0.9 * total
"""
SPEAKERS = """
SELECT speaker, count(*), sum(end_s - start_s), min(speaker_score)::float8, count(*) FILTER (WHERE is_overlap),
    max(named_by)
FROM segments WHERE video_id = %s GROUP BY speaker ORDER BY 3 DESC
"""
ABOUT = "SELECT about FROM videos WHERE video_id = %s"
PASSAGES = "SELECT start_s, end_s, text, speaker FROM segments WHERE video_id = %s ORDER BY idx"

UNDATED = "SELECT count(*) FROM videos WHERE published_at IS NULL AND state = 'indexed'"
PASSAGES_BY_LANGUAGE = """
SELECT language, sum(passages) FROM videos WHERE state = 'indexed' AND language IS NOT NULL GROUP BY language
"""


@dataclass(frozen=True)
class VideoRow:
    """One row of the table `videos`."""

    video_id: str
    generation: int
    state: str
    stage: str
    attempts: int
    error_code: str | None
    error_message: str | None
    retry_at: datetime | None
    source_kind: str | None
    source_url: str | None
    title: str | None
    channel: str | None
    published_at: datetime | None
    duration_s: float | None
    min_speakers: int | None
    max_speakers: int | None
    given_language: str | None
    likely_language: str | None
    date_source: str | None
    policy: dict[str, Any]
    fresh_from: int
    language: str | None
    passages: int | None
    figures: dict[str, float]
    asked_at: datetime | None
    event_epoch: int
    event_sequence: int
    updated_at: datetime

    def as_record(self) -> VideoRecord:
        """Return the state of the video, as it is stored; raise BAD_FIELD for a row that no message can hold."""
        try:
            return self._record()
        except ValueError as error:  # written by another program, or by a newer version
            raise IngestError(Code.BAD_FIELD, f"row of {self.video_id}: {first_line(error)}") from error

    def _record(self) -> VideoRecord:
        source = None
        if self.source_kind and self.source_url:
            source = Source(kind=SourceKind(self.source_kind), url=self.source_url)
        return VideoRecord(
            video_id=self.video_id,
            generation=self.generation,
            state=VideoState(self.state),
            stage=Stage(self.stage),
            attempts=self.attempts,
            code=Code(self.error_code) if self.error_code else None,
            message=self.error_message or "",
            retry_at=self.retry_at,
            source=source,
            metadata=Metadata(**{name: getattr(self, name) for name in Metadata.model_fields if name != "about"}),
            policy=Policy.model_validate(self.policy),
            fresh_from=self.fresh_from,
            position=(self.event_epoch, self.event_sequence),
            updated_at=self.updated_at,
        )


@dataclass(frozen=True)
class Total:
    """The videos in a state with an error code: their number, total duration and number of passages."""

    state: str
    error_code: str
    videos: int
    duration_s: float
    passages: int


@dataclass(frozen=True)
class PassageRow:
    """A stored passage."""

    start_s: float
    end_s: float
    text: str
    speaker: str | None


@dataclass(frozen=True)
class SpeakerRow:
    """The passages of a speaker (None: unknown) in a video, their lowest score, and the number that overlap others.

    `named_by` has named the speaker by hand.
    """

    speaker: str | None
    passages: int
    duration_s: float
    least_score: float | None
    overlapping: int
    named_by: str | None = None


class Catalog:
    """Reads the table `videos`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def videos(self, video_ids: Sequence[str]) -> dict[str, VideoRow]:
        """Return the rows of videos by id; an unknown id has no entry."""
        return {row.video_id: row for row in self._rows(ONE, (list(video_ids),))}

    def named(self, video_ids: Sequence[str]) -> list[VideoRow]:
        """Return the rows of videos, each once; raise ConfigurationError for one that the archive does not have."""
        found = self.videos(video_ids)
        missing = [video_id for video_id in dict.fromkeys(video_ids) if video_id not in found]
        if missing:
            raise ConfigurationError(f"the archive has no video {', '.join(missing)}")
        return [found[video_id] for video_id in dict.fromkeys(video_ids)]

    def erased(self, video_ids: Sequence[str]) -> set[str]:
        """Return those of the videos that were erased (`ingest forget`)."""
        return forgotten.marked(self._database, video_ids)

    def languages(self, channels: Sequence[str]) -> dict[str, str]:
        """Return the language of channels of which at least three, and nearly all, recordings are in one language."""
        with self._database.transaction() as connection:
            return {str(name): str(language) for name, language in connection.execute(CHANNEL_LANGUAGES, (channels,))}

    def passages_by_language(self) -> dict[str, int]:
        """Return the number of searchable passages of recordings in each language."""
        with self._database.transaction() as connection:
            rows = connection.execute(PASSAGES_BY_LANGUAGE).fetchall()
        return {str(language): int(str(passages)) for language, passages in rows}

    def undated(self) -> int:
        """Return the number of searchable recordings whose day is not known: filters by day leave them out."""
        with self._database.transaction() as connection:
            row = connection.execute(UNDATED).fetchone()
        return int(str(row[0])) if row else 0

    def about(self, video_id: str) -> dict[str, Any]:
        """Return what the source of a video says about it; empty where that is nothing."""
        with self._database.transaction() as connection:
            row: Any = connection.execute(ABOUT, (video_id,)).fetchone()
        return dict(row[0] or {}) if row else {}

    def chosen(
        self, *, states: Sequence[str] | None = None, codes: Sequence[str] | None = None, limit: int = 10_000
    ) -> list[VideoRow]:
        """Return the rows in given states and with given error codes, latest first."""
        wanted = {"states": list(states) if states else None, "codes": list(codes) if codes else None, "limit": limit}
        return self._rows(CHOSEN, wanted)

    def disagreeing(
        self, *, states: Sequence[str] | None = None, codes: Sequence[str] | None = None, limit: int = 10_000
    ) -> list[VideoRow]:
        """Return the rows whose words were compared with captions, those with the most different words first."""
        wanted = {"states": list(states) if states else None, "codes": list(codes) if codes else None, "limit": limit}
        return self._rows(DISAGREEING, wanted)

    def each(
        self, *, states: Sequence[str] | None = None, codes: Sequence[str] | None = None, page: int = PAGE
    ) -> Iterator[VideoRow]:
        """Yield all rows in given states and with given error codes, by id; a page of them is in memory."""
        wanted = {"states": list(states) if states else None, "codes": list(codes) if codes else None, "limit": page}
        after = ""
        while rows := self._rows(EACH, {**wanted, "after": after}):
            yield from rows
            after = rows[-1].video_id

    def totals(self) -> list[Total]:
        """Return the totals of the videos by state and error code."""
        with self._database.transaction() as connection:
            rows: list[Any] = connection.execute(TOTALS).fetchall()
        return [Total(*row) for row in rows]

    def device_seconds(self) -> dict[str, float]:
        """Return the time of the recognizers' devices: their figures, summed over the latest videos."""
        with self._database.transaction() as connection:
            rows: list[Any] = connection.execute(DEVICE_SECONDS, (list(DEVICE_FIGURES),)).fetchall()
        return {str(name): float(seconds) for name, seconds in rows}

    def passages(self, video_id: str) -> list[PassageRow]:
        """Return the passages of a video, in order."""
        with self._database.transaction() as connection:
            rows: list[Any] = connection.execute(PASSAGES, (video_id,)).fetchall()
        return [PassageRow(*row) for row in rows]

    def speakers(self, video_id: str) -> list[SpeakerRow]:
        """Return the speakers of a video, the longest speaking time first."""
        with self._database.transaction() as connection:
            rows: list[Any] = connection.execute(SPEAKERS, (video_id,)).fetchall()
        return [SpeakerRow(*row) for row in rows]

    def _rows(self, query: str, parameters: Any) -> list[VideoRow]:  # noqa: ANN401 (a foreign or generic shape)
        with self._database.transaction() as connection:
            rows: list[Any] = connection.execute(query, parameters).fetchall()
        return [VideoRow(*row) for row in rows]
