"""The SQL of passages that are near to a stored one in meaning, by its stored vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql

from ingest.embedder.search.search_query import LEAST_SIMILARITY

if TYPE_CHECKING:
    from pgvector import HalfVector

    from ingest.embedder.postgres.database import Connection

VECTOR = "SELECT embedding FROM embeddings WHERE video_id = %s AND idx = %s AND model = %s"
QUERY = """
SELECT video_id, title, channel, published_at, source_kind, source_url, start_s, end_s, text, speaker,
    sentence_offsets, sentence_starts_s, idx, speaker_score::float8, also_speaking,
    similarity, false, similarity, sentences
FROM (
    SELECT video_id, idx, sentences,
        1 - (embedding::halfvec({dimensions}) <=> %(vector)s::halfvec({dimensions})) AS similarity
    FROM embeddings WHERE model = {model} AND NOT (video_id = %(video_id)s AND idx = %(idx)s)
    ORDER BY embedding::halfvec({dimensions}) <=> %(vector)s::halfvec({dimensions}) LIMIT %(limit)s
) AS nearest JOIN segments USING (video_id, idx) JOIN videos USING (video_id)
WHERE similarity >= {least} ORDER BY similarity DESC, video_id, idx
"""


def vector_of(connection: Connection, model: str, video_id: str, idx: int) -> HalfVector | None:
    """Return the vector of a passage; None when the archive has no such passage."""
    row: Any = connection.execute(VECTOR, (video_id, idx, model)).fetchone()
    return None if row is None else row[0]


def nearest(
    connection: Connection, model: str, vector: HalfVector, video_id: str, idx: int, limit: int
) -> list[tuple[Any, ...]]:
    """Return the passages that are nearest to a vector, without the passage itself."""
    query = sql.SQL(QUERY).format(
        dimensions=sql.Literal(vector.dimensions()), model=sql.Literal(model), least=sql.Literal(LEAST_SIMILARITY)
    )
    values = {"vector": vector, "video_id": video_id, "idx": idx, "limit": limit}
    return list(connection.execute(query, values, prepare=False).fetchall())
