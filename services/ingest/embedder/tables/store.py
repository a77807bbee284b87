"""Replaces the rows of a video as a whole, in one transaction, and only by those of a newer run.

The fence is `videos.indexed_generation`. The update that raises it locks the row, and changes no row when the same or a
newer run is stored. Readers see the old rows or the new rows, never a mix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgvector import HalfVector

from ingest.embedder.corrections.overlay import Overlay
from ingest.embedder.tables import corrections, speaker_statements, vocabulary
from ingest.shared.errors import Code, IngestError
from ingest.shared.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.embedder.corrections.names import Outcome as SpeakerOutcome
    from ingest.embedder.corrections.vocabulary import Replacement
    from ingest.embedder.corrections.words import Outcome
    from ingest.embedder.passages import Passage
    from ingest.embedder.postgres.database import Connection, Database
    from ingest.embedder.text_model.encoder import Vector

ENSURE_VIDEO = "INSERT INTO videos (video_id, generation) VALUES (%s, %s) ON CONFLICT (video_id) DO NOTHING"
RAISE_FENCE = """
UPDATE videos SET indexed_generation = %(generation)s, generation = greatest(generation, %(generation)s),
    state = 'indexed', stage = 'embedder', error_code = NULL, error_message = NULL, retry_at = NULL,
    passages = %(passages)s, language = %(language)s, updated_at = now()
WHERE video_id = %(video_id)s AND indexed_generation < %(generation)s
"""
SAME_RUN = """
UPDATE videos SET passages = %(passages)s, updated_at = now()
WHERE video_id = %(video_id)s AND indexed_generation = %(generation)s
"""
STORED = "SELECT indexed_generation, passages FROM videos WHERE video_id = %s"
DELETE_OLD = "DELETE FROM segments WHERE video_id = %s"
COPY_SEGMENTS = """
COPY segments (video_id, idx, start_s, end_s, text, speaker, speaker_score, is_overlap, sentence_offsets,
    sentence_starts_s, avg_logprob, compression_ratio, no_speech_prob, refined, flags, ts_config, named_by,
    also_speaking)
FROM STDIN (FORMAT BINARY)
"""
SEGMENT_TYPES = (
    *("text", "int4", "float8", "float8", "text", "text", "float4", "bool", "int4[]", "float8[]"),
    *("float4", "float4", "float4", "bool", "text[]", "oid", "text", "text[]"),  # a regconfig is sent as its oid
)
COPY_EMBEDDINGS = "COPY embeddings (video_id, idx, model, embedding, sentences) FROM STDIN (FORMAT BINARY)"
EMBEDDING_TYPES = ("text", "int4", "text", "halfvec", "bytea")
COUNT = """
SELECT count(*), count(embeddings.idx) FROM segments
LEFT JOIN embeddings ON embeddings.video_id = segments.video_id AND embeddings.idx = segments.idx AND model = %s
WHERE segments.video_id = %s
"""
REGISTER_MODEL = "INSERT INTO models (model, dimensions) VALUES (%s, %s) ON CONFLICT (model) DO NOTHING"
MODEL = "SELECT dimensions FROM models WHERE model = %s"
TEXT_CONFIGS = "SELECT cfgname, oid FROM pg_ts_config"

LANGUAGES = {
    "ar": "arabic",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one video. `sentences` are the packed vectors of the sentences of each passage.

    The two outcomes are what became of the corrections that the passages were built with, `vocabulary` what it replaces
    in them. `others` are vectors of other models.
    """

    video_id: str
    generation: int
    language: str
    passages: Sequence[Passage]
    vectors: Sequence[Vector]
    sentences: Sequence[bytes | None] = ()
    outcomes: Sequence[Outcome] = ()
    speaker_outcomes: Sequence[SpeakerOutcome] = ()
    vocabulary: Sequence[Replacement] = ()
    others: Sequence[OtherVector] = ()


@dataclass(frozen=True, eq=False)
class OtherVector:
    """The vector of a passage, by its number, of another model than that of its rows."""

    index: int
    model: str
    vector: HalfVector
    sentences: bytes | None


class CorrectedMeanwhileError(Exception):
    """The video has other corrections than those with which its passages were built: they are to be built again."""


class Store:
    """Writes the rows and vectors of one model. Raise ENV_MODEL_VERSION when its key has vectors of another length."""

    def __init__(self, database: Database, model: str, dimensions: int) -> None:
        self._database = database
        self._model = model
        with database.transaction() as connection:
            connection.execute(REGISTER_MODEL, (model, dimensions))
            (known,) = connection.execute(MODEL, (model,)).fetchone() or (None,)
            self._configs = {str(name): oid for name, oid in connection.execute(TEXT_CONFIGS)}
        if known != dimensions:
            text = f"model {model} has {dimensions} dimensions, the archive holds {known} for it"
            raise IngestError(Code.ENV_MODEL_VERSION, text)

    def stored_passages(self, video_id: str, generation: int) -> int | None:
        """Return the number of passages that this or a newer run has stored, or None when neither has."""
        with self._database.transaction() as connection:
            row = connection.execute(STORED, (video_id,)).fetchone()
        if row is None or int(str(row[0])) < generation:
            return None
        return int(str(row[1] or 0))

    def replace(self, rows: Rows) -> int:
        """Replace the rows of a video and return their number; raise SUPERSEDED when a newer run is stored.

        Raise CorrectedMeanwhileError when they were built with other corrections than those that are stored.
        """
        with self._database.transaction() as connection:
            self.write(connection, rows)
        return len(rows.passages)

    def rewrite(self, rows: Rows) -> None:
        """Replace the rows of the stored run; raise SUPERSEDED when another run is stored, else as `replace`."""
        fence = {"video_id": rows.video_id, "generation": rows.generation, "passages": len(rows.passages)}
        with self._database.transaction() as connection:
            if connection.execute(SAME_RUN, fence).rowcount != 1:
                raise IngestError(Code.SUPERSEDED, f"generation {rows.generation} is not the one that is stored")
            self._put(connection, rows)

    def write(self, connection: Connection, rows: Rows) -> None:
        """Replace the rows of a video within a transaction; raise SUPERSEDED when newer ones are stored."""
        connection.execute(ENSURE_VIDEO, (rows.video_id, rows.generation))
        fence = {
            "video_id": rows.video_id,
            "generation": rows.generation,
            "passages": len(rows.passages),
            "language": rows.language,
        }
        if connection.execute(RAISE_FENCE, fence).rowcount != 1:
            raise IngestError(Code.SUPERSEDED, f"generation {rows.generation} or a newer one is stored")
        self._put(connection, rows)

    def overlay(self, video_id: str) -> Overlay:
        """Return what people have said about a video."""
        with self._database.transaction() as connection:
            return overlay_of(connection, video_id)

    def _put(self, connection: Connection, rows: Rows) -> None:
        known = overlay_of(connection, rows.video_id)
        applied = {outcome.correction for outcome in rows.outcomes}
        said = {outcome.statement for outcome in rows.speaker_outcomes}
        if {one.id for one in known.words} != applied or {one.id for one in known.speakers} != said:
            raise CorrectedMeanwhileError
        if set(known.vocabulary) != set(rows.vocabulary):
            raise CorrectedMeanwhileError
        corrections.note(connection, rows.outcomes)
        speaker_statements.note(connection, rows.speaker_outcomes)
        connection.execute(corrections.DONE, (rows.video_id,))
        connection.execute(DELETE_OLD, (rows.video_id,))
        self._copy(connection, rows)
        counted = connection.execute(COUNT, (self._model, rows.video_id)).fetchone()
        if counted != (len(rows.passages), len(rows.passages)):
            raise IngestError(Code.UNEXPECTED, f"stored {counted} of {len(rows.passages)} rows")

    def _copy(self, connection: Connection, rows: Rows) -> None:
        with connection.cursor() as cursor:
            with cursor.copy(COPY_SEGMENTS) as copy:
                copy.set_types(SEGMENT_TYPES)
                for passage in rows.passages:
                    config = self._config(passage.language or rows.language)
                    copy.write_row(_segment_row(rows.video_id, passage, config))
            with cursor.copy(COPY_EMBEDDINGS) as copy:
                copy.set_types(EMBEDDING_TYPES)
                for row in embedding_rows(rows, self._model):
                    copy.write_row(row)
                for one in rows.others:
                    copy.write_row((rows.video_id, one.index, one.model, one.vector, one.sentences))

    def _config(self, language: str) -> object:
        """Return the text search configuration of a language."""
        return self._configs.get(LANGUAGES.get(language, "simple"), self._configs["simple"])


def overlay_of(connection: Connection, video_id: str) -> Overlay:
    """Return what people have said about a video."""
    return Overlay(
        corrections.of_video(connection, video_id),
        speaker_statements.of_video(connection, video_id),
        vocabulary.of_video(connection, video_id),
    )


def embedding_rows(rows: Rows, model: str) -> Iterator[tuple[object, ...]]:
    """Yield the rows of the vectors of a video."""
    sentences = rows.sentences or [None] * len(rows.passages)
    for passage, vector, packed in zip(rows.passages, rows.vectors, sentences, strict=True):
        yield rows.video_id, passage.index, model, HalfVector(vector), packed


def _segment_row(video_id: str, passage: Passage, config: object) -> tuple[object, ...]:
    return (
        video_id,
        passage.index,
        passage.start_s,
        passage.end_s,
        clean(passage.text),
        passage.speaker,
        passage.speaker_score,
        passage.is_overlap,
        list(passage.offsets),
        list(passage.starts_s),
        passage.avg_logprob,
        passage.compression_ratio,
        passage.no_speech_prob,
        passage.refined,
        list(passage.flags),
        config,
        passage.named_by,
        list(passage.also_speaking),
    )
