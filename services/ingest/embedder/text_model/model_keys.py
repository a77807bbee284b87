"""Under which key the archive stores the vectors of a model. Vectors of two models never share a key.

Since migration 0005 the table `models` holds a key's content id: what identifies the model's files. A key of an older
archive has none: it was made from names and sizes of files, which a retrained model can share. Such a key, and one
whose files differ, is used only if the model computes the same vectors for stored passages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.embedder.postgres.database import Connection, Database
    from ingest.embedder.text_model.encoder import Vector

KEYS = "SELECT model, dimensions, content_id FROM models ORDER BY model"
SAMPLE = """
SELECT text, embedding FROM embeddings JOIN segments USING (video_id, idx) WHERE model = %s LIMIT 8
"""
REGISTER = "INSERT INTO models (model, dimensions, content_id) VALUES (%s, %s, %s) ON CONFLICT (model) DO NOTHING"
IDENTIFY = "UPDATE models SET content_id = %s WHERE model = %s AND content_id IS NULL"
SAME_VECTOR = 0.99  # cosine; half precision and another device change the fourth decimal

log = get_logger(__name__)


class TextModel(Protocol):
    """A loaded text model, as `encoder.Encoder` has the facts and the function."""

    key: str
    content_id: str
    dimensions: int

    def run(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of passages, each of length 1."""

    def question(self, text: str) -> Vector:
        """Return the vector of a question, of length 1."""


@dataclass(frozen=True)
class StoredKey:
    """A row of the table `models`. `content_id` is None in an archive that was made before migration 0005."""

    key: str
    dimensions: int
    content_id: str | None


class PassageModel(TextModel, Protocol):
    """A text model that can count the tokens of passages, of which it reads at most `max_tokens`."""

    max_tokens: int

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of a text, without special tokens."""


def stored(connection: Connection) -> list[StoredKey]:
    """Return the keys of the archive."""
    rows: list[Any] = connection.execute(KEYS).fetchall()
    return [StoredKey(*row) for row in rows]


def find(connection: Connection, encoder: TextModel) -> StoredKey | None:
    """Return the key under which the archive holds the vectors of a model, or None when it holds none of them."""
    keys = stored(connection)
    for known in keys:
        if known.content_id == encoder.content_id:
            return known
    for known in keys:
        if known.dimensions == encoder.dimensions and _computes_the_same(connection, known, encoder):
            return known
    return None


def register(database: Database, encoder: TextModel) -> str:
    """Return the key for new vectors of a model, and store its content id.

    Log when an older key is used on, and when the archive also holds vectors that this model cannot search.
    """
    with database.transaction() as connection:
        found = find(connection, encoder)
        if found is None:
            connection.execute(REGISTER, (encoder.key, encoder.dimensions, encoder.content_id))
        elif found.content_id is None:
            connection.execute(IDENTIFY, (encoder.content_id, found.key))
        key = found.key if found else encoder.key
        others = [known.key for known in stored(connection) if known.key != key]
    if found is not None and found.content_id != encoder.content_id:
        log.info("stored_model_key_recognised", model=key, content_id=encoder.content_id, by="equal vectors")
    if others:
        log.warning("archive_holds_vectors_of_other_models", model=key, others=others)
    return key


def _computes_the_same(connection: Connection, known: StoredKey, encoder: TextModel) -> bool:
    rows: list[Any] = connection.execute(SAMPLE, (known.key,)).fetchall()
    if not rows:
        return False
    computed = np.asarray(encoder.run([text for text, _ in rows]))
    cosines = [
        float(vector @ old.to_numpy().astype(np.float32)) for vector, (_, old) in zip(computed, rows, strict=True)
    ]
    return min(cosines) >= SAME_VECTOR
