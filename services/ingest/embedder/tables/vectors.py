"""The vectors of stored passages and their sentences, of one model beside others: which are missing, and puts them in.

A vector is stored only while its passage has the text that it was computed from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pgvector import HalfVector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.embedder.postgres.database import Database
    from ingest.embedder.text_model.encoder import Vector

MODELS = """
SELECT models.model, dimensions, (SELECT count(*) FROM embeddings WHERE embeddings.model = models.model)
FROM models ORDER BY models.model
"""
PASSAGES = "SELECT count(*) FROM segments"
# Earlier versions stored no vectors of sentences. A passage of one sentence needs none.
IS_MISSING = """
NOT EXISTS (SELECT FROM embeddings
    WHERE embeddings.video_id = segments.video_id AND embeddings.idx = segments.idx AND model = %(model)s
        AND (sentences IS NOT NULL OR cardinality(sentence_offsets) < 2))
"""
MISSING = f"""
SELECT video_id, idx, text, sentence_offsets FROM segments
WHERE (video_id, idx) > (%(video_id)s, %(index)s) AND {IS_MISSING} ORDER BY video_id, idx LIMIT %(limit)s
"""  # noqa: S608 (constants only)
COUNT_MISSING = f"SELECT count(*) FROM segments WHERE {IS_MISSING}"  # noqa: S608 (constants only)
PUT = """
INSERT INTO embeddings (video_id, idx, model, embedding, sentences)
SELECT video_id, idx, %s, %s, %s FROM segments WHERE video_id = %s AND idx = %s AND text = %s
ON CONFLICT (video_id, idx, model) DO UPDATE SET sentences = excluded.sentences WHERE embeddings.sentences IS NULL
"""
OF_VIDEO = """
SELECT model, text, sentence_offsets, embedding, sentences FROM embeddings JOIN segments USING (video_id, idx)
WHERE video_id = %s
"""
DROP_VECTORS = "DELETE FROM embeddings WHERE model = %s"
DROP_MODEL = "DELETE FROM models WHERE model = %s"


@dataclass(frozen=True)
class ModelVectors:
    """A model of the archive: the length of its vectors, and how many passages have one, and have none."""

    model: str
    dimensions: int
    vectors: int
    missing: int


@dataclass(frozen=True)
class StoredText:
    """A stored passage, its text, and where its sentences begin."""

    video_id: str
    index: int
    text: str
    offsets: Sequence[int] = ()


@dataclass(frozen=True, eq=False)
class StoredVector:
    """A stored vector: its model, the text of its passage and where the sentences begin, and their packed vectors."""

    model: str
    text: str
    offsets: tuple[int, ...]
    vector: HalfVector
    sentences: bytes | None


FIRST = StoredText("", -1, "")  # before all passages


def models(database: Database) -> list[ModelVectors]:
    """Return the models of the archive."""
    with database.transaction() as connection:
        (passages,) = connection.execute(PASSAGES).fetchone() or (0,)
        rows: list[Any] = connection.execute(MODELS).fetchall()
    return [ModelVectors(model, dimensions, vectors, passages - vectors) for model, dimensions, vectors in rows]


def count_missing(database: Database, model: str) -> int:
    """Return how many passages lack vectors of a model: their own, or those of their sentences."""
    with database.transaction() as connection:
        (count,) = connection.execute(COUNT_MISSING.encode(), {"model": model}).fetchone() or (0,)
    return int(str(count))


def missing(database: Database, model: str, after: StoredText, limit: int) -> list[StoredText]:
    """Return the next passages that lack vectors of a model, in the order of their keys."""
    bounds = {"video_id": after.video_id, "index": after.index, "model": model, "limit": limit}
    with database.transaction() as connection:
        rows: list[Any] = connection.execute(MISSING.encode(), bounds).fetchall()
    return [StoredText(*row) for row in rows]


def of_video(database: Database, video_id: str) -> list[StoredVector]:
    """Return the vectors of the passages of a video, of all models."""
    with database.transaction() as connection:
        rows: list[Any] = connection.execute(OF_VIDEO, (video_id,)).fetchall()
    return [StoredVector(model, text, tuple(offsets), vector, packed) for model, text, offsets, vector, packed in rows]


def put(
    database: Database,
    model: str,
    passages: Sequence[StoredText],
    vectors: Sequence[Vector],
    sentences: Sequence[bytes | None],
) -> int:
    """Store the vectors of passages and sentences; return how many passages got some. One that has changed is left."""
    rows = [
        (model, HalfVector(vector), packed, passage.video_id, passage.index, passage.text)
        for passage, vector, packed in zip(passages, vectors, sentences, strict=True)
    ]
    with database.transaction() as connection, connection.cursor() as cursor:
        cursor.executemany(PUT, rows)
        return cursor.rowcount


def drop(database: Database, model: str) -> int:
    """Delete the vectors of a model, and the model; return how many there were."""
    with database.transaction() as connection:
        dropped = connection.execute(DROP_VECTORS, (model,)).rowcount
        connection.execute(DROP_MODEL, (model,))
    return dropped
