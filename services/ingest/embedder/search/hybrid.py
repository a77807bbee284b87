"""Finds passages by meaning and by words in one query, and the second at which each answer begins.

The query is that of `search_query`. An answer begins at the sentence of the passage that is nearest to the question.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from psycopg.errors import QueryCanceled

from ingest.embedder import sentence_vectors
from ingest.embedder.search import search_query, similar, wording
from ingest.embedder.search.question import Hit
from ingest.embedder.search.search_query import Statement
from ingest.embedder.search.tuning import USUAL, Tuning
from ingest.embedder.text_model import model_keys
from ingest.shared.errors import Code, IngestError
from ingest.shared.links import link

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.embedder.postgres.database import Connection, Database
    from ingest.embedder.search.question import Question
    from ingest.embedder.text_model.encoder import Vector
    from ingest.embedder.text_model.model_keys import TextModel


LONGEST_S = 10.0
TOOK_LONGER = (
    "longer than {:g} s: `ingest status` says whether the vector index is missing or being built; "
    "the first searches after a start read from the disk, and are faster when they are repeated"
)


class Search:
    """Searches the archive with the vectors of one model."""

    def __init__(
        self, database: Database, encoder: TextModel, tuning: Tuning = USUAL, longest_s: float = LONGEST_S
    ) -> None:
        self._database = database
        self._tuning = tuning
        self._encoder = encoder
        self._longest_s = longest_s

    def ask(self, question: Question) -> list[Hit]:
        """Return the best passages, the best one first."""
        vector = self._encoder.question(wording.read(question.text).meaning)
        with self._reading() as connection:
            search_query.prepare(connection, self._tuning)
            query, asked = Statement(question, vector, self._stored_key(connection), self._tuning).build(connection)
            rows = connection.execute(query, asked, prepare=False).fetchall()  # planned for this question
        return self._hits(rows, vector)

    def similar(self, video_id: str, index: int, limit: int) -> list[Hit] | None:
        """Return the passages that are nearest to a passage in meaning; None when the archive has no such passage."""
        with self._reading() as connection:
            search_query.prepare(connection, self._tuning)
            key = self._stored_key(connection)
            vector = similar.vector_of(connection, key, video_id, index)
            if vector is None:
                return None
            rows = similar.nearest(connection, key, vector, video_id, index, limit)
        return self._hits(rows, vector.to_numpy().astype(np.float32))

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """Yield a connection for a query that ends within the time of a search; the error says what to look at."""
        try:
            with self._database.transaction(self._longest_s) as connection:
                yield connection
        except IngestError as error:
            if isinstance(error.__cause__, QueryCanceled):
                raise IngestError(
                    Code.ENV_DB_UNAVAILABLE, "the search took " + TOOK_LONGER.format(self._longest_s)
                ) from error
            raise

    def _stored_key(self, connection: Connection) -> str:
        """Return the key of the model's vectors; raise ENV_MODEL_VERSION when the archive holds only others."""
        found = model_keys.find(connection, self._encoder)
        if found is not None:
            return found.key
        others = [known.key for known in model_keys.stored(connection)]
        if not others:
            return self._encoder.key
        text = f"the archive holds vectors of {', '.join(others)}, not of {self._encoder.key}"
        raise IngestError(Code.ENV_MODEL_VERSION, f"{text}; INGEST_EMBEDDING_MODEL must name its model")

    def _hits(self, rows: Sequence[tuple[Any, ...]], vector: Vector) -> list[Hit]:
        groups = [sentence_vectors.split(row[8], row[10]) for row in rows]
        packed = self._packed(groups, [row[-1] for row in rows], len(vector))
        best = [sentence_vectors.nearest(each, vector) if each else 0 for each in packed]
        return [_hit(row, number, group[number]) for row, number, group in zip(rows, best, groups, strict=True)]

    def _packed(
        self, groups: Sequence[list[str]], stored: Sequence[bytes | None], dimensions: int
    ) -> list[bytes | None]:
        """Return the vectors of each group of sentences; those that are not stored are computed together."""
        missing = [
            len(group) > 1 and len(packed or b"") != len(group) * dimensions
            for group, packed in zip(groups, stored, strict=True)
        ]
        texts = [
            sentence for group, is_missing in zip(groups, missing, strict=True) if is_missing for sentence in group
        ]
        computed = iter(self._encoder.run(texts) if texts else ())
        return [
            sentence_vectors.pack(list(islice(computed, len(group)))) if is_missing else packed
            for group, packed, is_missing in zip(groups, stored, missing, strict=True)
        ]


def _hit(row: tuple[Any, ...], best: int, sentence: str) -> Hit:
    (video_id, title, channel, published_at, kind, url, start_s, end_s, text, speaker, _, starts_s, *rest) = row
    index, speaker_score, also_speaking, similarity, has_words, score, _ = rest
    return Hit(
        video_id=video_id,
        index=index,
        title=title,
        channel=channel,
        published_at=published_at,
        url=link(kind, url, starts_s[best]) or "",
        start_s=starts_s[best],
        passage_start_s=start_s,
        passage_end_s=end_s,
        text=text,
        sentence=sentence,
        speaker=speaker,
        speaker_score=speaker_score,
        also_speaking=tuple(also_speaking),
        similarity=None if similarity is None else round(float(similarity), 4),
        has_words=has_words,
        score=round(float(score), 5),
    )
