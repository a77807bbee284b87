"""The vectors of stored passages, of one model beside those of others: which are missing, and puts them in.

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
MISSING = """
SELECT video_id, idx, text FROM segments WHERE (video_id, idx) > (%(video_id)s, %(index)s) AND NOT EXISTS (
    SELECT FROM embeddings
    WHERE embeddings.video_id = segments.video_id AND embeddings.idx = segments.idx AND model = %(model)s)
ORDER BY video_id, idx LIMIT %(limit)s
"""
PUT = """
INSERT INTO embeddings (video_id, idx, model, embedding)
SELECT video_id, idx, %s, %s FROM segments WHERE video_id = %s AND idx = %s AND text = %s
ON CONFLICT (video_id, idx, model) DO NOTHING
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
    """A stored passage and its text."""

    video_id: str
    index: int
    text: str


FIRST = StoredText("", -1, "")  # before all passages


def models(database: Database) -> list[ModelVectors]:
    """Return the models of the archive."""
    with database.transaction() as connection:
        (passages,) = connection.execute(PASSAGES).fetchone() or (0,)
        rows: list[Any] = connection.execute(MODELS).fetchall()
    return [ModelVectors(model, dimensions, vectors, passages - vectors) for model, dimensions, vectors in rows]


def missing(database: Database, model: str, after: StoredText, limit: int) -> list[StoredText]:
    """Return the next passages without a vector of a model, in the order of their keys."""
    bounds = {"video_id": after.video_id, "index": after.index, "model": model, "limit": limit}
    with database.transaction() as connection:
        rows: list[Any] = connection.execute(MISSING, bounds).fetchall()
    return [StoredText(*row) for row in rows]


def put(database: Database, model: str, passages: Sequence[StoredText], vectors: Sequence[Vector]) -> int:
    """Store the vectors of passages; return how many. A passage that has changed, or has one now, is left."""
    rows = [
        (model, HalfVector(vector), passage.video_id, passage.index, passage.text)
        for passage, vector in zip(passages, vectors, strict=True)
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
