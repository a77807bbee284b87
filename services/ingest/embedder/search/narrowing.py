"""Narrows a search to few recordings, where its filters leave few: those are then read by their ids.

The vector index knows nothing of recordings: through it, a search in one channel of fifty looks at fifty times as many
passages as it returns. All passages of a few hundred recordings are compared in less time, and exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingest.embedder.postgres.database import Connection

MOST_RECORDINGS = 1_000
MOST_PASSAGES = 25_000
CHOSEN = """
SELECT coalesce(array_agg(video_id), '{{}}'), coalesce(sum(passages), 0) FROM (
    SELECT video_id, passages FROM videos WHERE {filters} LIMIT {limit}
) AS found
"""


def recordings(connection: Connection, filters: sql.Composable, values: Mapping[str, object]) -> list[str] | None:
    """Return the ids of the recordings that filters of the table `videos` leave; None when they leave many."""
    query = sql.SQL(CHOSEN).format(filters=filters, limit=sql.Literal(MOST_RECORDINGS + 1))
    found: Any = connection.execute(query, values).fetchone()
    ids, passages = found
    return list(ids) if len(ids) <= MOST_RECORDINGS and passages <= MOST_PASSAGES else None
