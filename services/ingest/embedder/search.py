"""Finds passages by meaning and by words in one query, and the second at which each answer begins.

Both rankings are merged by reciprocal rank: a passage in both comes first. An answer begins at the sentence of the
passage that is nearest to the question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pgvector import HalfVector
from psycopg import sql

from ingest.embedder import model_keys, wording
from ingest.shared import scripts
from ingest.shared.errors import Code, IngestError
from ingest.shared.links import link

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ingest.embedder.database import Connection, Database
    from ingest.embedder.encoder import Encoder, Vector

CANDIDATES = 100
EF_SEARCH = 2 * CANDIDATES  # the vector index looks at this many at a time; with fewer, it misses near passages
RANK_CONSTANT = 60  # the usual constant of reciprocal rank fusion
OF_VIDEOS = frozenset({"channel", "since", "until", "language"})  # filters of the table `videos`
LEAST_SIMILARITY = 0.2  # cosine below which a passage is not an answer

# The text configurations of the stored passages, one jump in the index segments_ts_config for each.
CONFIGS = """
WITH RECURSIVE used AS (
    (SELECT ts_config::oid AS config FROM segments ORDER BY ts_config LIMIT 1)
    UNION ALL
    SELECT (SELECT ts_config::oid FROM segments WHERE ts_config > used.config ORDER BY ts_config LIMIT 1)
    FROM used WHERE config IS NOT NULL
)
SELECT config::regconfig::text FROM used WHERE config IS NOT NULL
"""
# A question is parsed once for each configuration: only a constant can be looked up in the index segments_words.
WITH_WORDS = """
(SELECT video_id, idx, ts_rank_cd(words, websearch_to_tsquery({config}, %(text)s)) AS rank FROM segments {join}
WHERE ts_config = {config}::regconfig AND words @@ websearch_to_tsquery({config}, %(text)s) AND {filters}
ORDER BY rank DESC, video_id, idx LIMIT {candidates})
"""
QUERY = """
WITH by_meaning AS (
    SELECT video_id, idx, similarity, row_number() OVER (ORDER BY similarity DESC) AS place FROM (
        SELECT video_id, idx, 1 - (embedding::halfvec({dimensions}) <=> %(vector)s::halfvec({dimensions})) AS similarity
        FROM embeddings {join} WHERE model = {model} AND {filters}
        ORDER BY embedding::halfvec({dimensions}) <=> %(vector)s::halfvec({dimensions}) LIMIT {candidates}
    ) AS nearest WHERE similarity >= {least}
), by_words AS (
    SELECT video_id, idx, row_number() OVER (ORDER BY rank DESC, video_id, idx) AS place
    FROM ({with_words}) AS found ORDER BY place LIMIT {candidates}
)
SELECT video_id, title, channel, published_at, source_kind, source_url, start_s, end_s, text, speaker,
    sentence_offsets, sentence_starts_s, by_meaning.similarity, by_words.place IS NOT NULL AS has_words,
    coalesce(1.0 / ({constant} + by_meaning.place), 0) + coalesce(1.0 / ({constant} + by_words.place), 0) AS score
FROM by_meaning FULL JOIN by_words USING (video_id, idx)
JOIN segments USING (video_id, idx) JOIN videos USING (video_id)
ORDER BY score DESC, video_id, start_s LIMIT %(limit)s
"""


# Holds for answers of both rankings. A question of stop words alone is empty, and would match nothing.
CONDITION = """
(numnode(websearch_to_tsquery(segments.ts_config, %(condition)s)) = 0
OR segments.words @@ websearch_to_tsquery(segments.ts_config, %(condition)s))
"""


@dataclass(frozen=True)
class Question:
    """A search text (see `wording`) and its filters, which must match exactly except for case.

    Answers are from recordings published at `since` or later, and before `until`.
    """

    text: str
    speaker: str | None = None
    channel: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    language: str | None = None
    video_id: str | None = None
    limit: int = 10


@dataclass(frozen=True)
class Hit:
    """A passage that was found: `sentence` is its best sentence, which begins at `start_s`."""

    video_id: str
    title: str | None
    channel: str | None
    published_at: datetime | None
    url: str
    start_s: float
    passage_start_s: float
    passage_end_s: float
    text: str
    sentence: str
    speaker: str | None
    similarity: float | None
    has_words: bool
    score: float


class Search:
    """Searches the archive with the vectors of one model."""

    def __init__(self, database: Database, encoder: Encoder) -> None:
        self._database = database
        self._encoder = encoder

    def ask(self, question: Question) -> list[Hit]:
        """Return the best passages, the best one first."""
        (vector,) = self._encoder.run([wording.read(question.text).meaning])
        with self._database.transaction() as connection:
            fit_index(connection)
            key = self._stored_key(connection)
            configs = [str(name) for (name,) in connection.execute(CONFIGS)]
            query, asked = statement(question, vector, key, configs)
            rows = connection.execute(query, asked, prepare=False).fetchall()  # planned for this question
        return self._hits(rows, vector)

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
        sentences = [_sentences(row[8], row[10]) for row in rows]
        flat = [sentence for group in sentences for sentence in group]
        nearness = np.asarray(self._encoder.run(flat)) @ vector if flat else np.zeros(0)
        hits, at = [], 0
        for row, group in zip(rows, sentences, strict=True):
            best = int(np.argmax(nearness[at : at + len(group)]))
            at += len(group)
            hits.append(_hit(row, best, group[best]))
        return hits


def fit_index(connection: Connection) -> None:
    """Let the vector index return the candidates that this transaction asks for, filtered ones too."""
    connection.execute(f"SET LOCAL hnsw.ef_search = {EF_SEARCH}; SET LOCAL hnsw.iterative_scan = relaxed_order")


def statement(
    question: Question, vector: Vector, model: str, configs: Sequence[str]
) -> tuple[sql.Composed, dict[str, object]]:
    """Return the query for a question, with its parameters. `configs` are the text configurations to search."""
    filters, parameters = _filters(question)
    candidates = sql.Literal(CANDIDATES)
    joined = sql.SQL("JOIN videos USING (video_id)" if OF_VIDEOS & parameters.keys() else "")
    with_words = [
        sql.SQL(WITH_WORDS).format(join=joined, filters=filters, candidates=candidates, config=sql.Literal(config))
        for config in configs or ["simple"]
    ]
    query = sql.SQL(QUERY).format(
        filters=filters,
        join=sql.SQL("JOIN segments USING (video_id, idx) {}").format(joined) if parameters else sql.SQL(""),
        with_words=sql.SQL(" UNION ALL ").join(with_words),
        dimensions=sql.Literal(len(vector)),
        model=sql.Literal(model),
        candidates=candidates,
        constant=sql.Literal(RANK_CONSTANT),
        least=sql.Literal(LEAST_SIMILARITY),
    )
    text = scripts.question(wording.read(question.text).words)
    return query, {"vector": HalfVector(vector), "text": text, "limit": question.limit, **parameters}


def _filters(question: Question) -> tuple[sql.Composable, dict[str, object]]:
    wanted: list[sql.SQL] = []
    parameters: dict[str, object] = {}
    required = scripts.question(wording.read(question.text).condition)
    for condition, name, value in (
        ("left(lower(segments.speaker), 200) = left(lower(%(speaker)s), 200)", "speaker", question.speaker),
        ("left(lower(videos.channel), 200) = left(lower(%(channel)s), 200)", "channel", question.channel),
        ("videos.published_at >= %(since)s", "since", question.since),
        ("videos.published_at < %(until)s", "until", question.until),
        ("videos.language = %(language)s", "language", question.language),
        ("segments.video_id = %(video_id)s", "video_id", question.video_id),
        (CONDITION, "condition", required or None),
    ):
        if value is not None:
            wanted.append(sql.SQL(condition))
            parameters[name] = value
    return (sql.SQL(" AND ").join(wanted) if wanted else sql.SQL("true")), parameters


def _sentences(text: str, offsets: Sequence[int]) -> list[str]:
    ends = [*offsets[1:], len(text)]
    return [text[start:end].strip() for start, end in zip(offsets, ends, strict=True)]


def _hit(row: tuple[Any, ...], best: int, sentence: str) -> Hit:
    (video_id, title, channel, published_at, kind, url, start_s, end_s, text, speaker, _, starts_s, *rest) = row
    similarity, has_words, score = rest
    return Hit(
        video_id=video_id,
        title=title,
        channel=channel,
        published_at=published_at,
        url=link(kind or "", url or "", starts_s[best]),
        start_s=starts_s[best],
        passage_start_s=start_s,
        passage_end_s=end_s,
        text=text,
        sentence=sentence,
        speaker=speaker,
        similarity=None if similarity is None else round(float(similarity), 4),
        has_words=has_words,
        score=round(float(score), 5),
    )
