"""The SQL of a search: three short lists, merged by reciprocal rank. No part of it reads a whole table.

by_meaning  the passages nearest to the question: from the vector index, or from few passages or recordings exactly
by_words    the passages with the words of the question: at most `most_read` are read, at most `most_ranked` ranked
by_title    the recordings whose title or channel has the words, each with its nearest passage

A word that a fifth of all passages has says little, and ranking all of them takes seconds. So of such words the first
passages in the order of the table are ranked, and with them those that are near in meaning. A question with a "phrase"
ranks only passages with that phrase: its two lists share one reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgvector import HalfVector
from psycopg import sql

from ingest.embedder.search import narrowing, wording
from ingest.embedder.search.tuning import USUAL, Tuning
from ingest.shared import scripts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import LiteralString

    from ingest.embedder.postgres.database import Connection
    from ingest.embedder.search.question import Question
    from ingest.embedder.text_model.encoder import Vector

FEW = 5_000  # passages that the filters leave, as estimated: these are compared exactly, more through the vector index
TITLES = 10
MOST_TITLES = 500  # read for those
LEAST_SIMILARITY = 0.2  # cosine below which a passage is not an answer
OF_VIDEOS = frozenset({"channel", "since", "until", "language"})  # filters of the table `videos`
OF_PASSAGES = frozenset({"speaker", "condition"})  # of the table `segments`

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
# A phrase of stop words alone requires nothing.
ARE_EMPTY = """
SELECT coalesce(bool_or(numnode(websearch_to_tsquery(config::regconfig, %s)) = 0), true)
FROM unnest(%s::text[]) AS config
"""
ESTIMATE = "EXPLAIN (FORMAT JSON) SELECT FROM segments {join} WHERE {filters}"
CHOSEN = """
chosen AS MATERIALIZED (SELECT segments.video_id, idx FROM segments {join} WHERE {filters} LIMIT {most_read})"""
# Fewer than all rows are wanted, so Postgres would hope for an early end of reading the whole table.
PREPARE = """
SET LOCAL enable_seqscan = {is_exact}; SET LOCAL enable_indexscan = {is_bounded}; SET LOCAL jit = off;
SET LOCAL hnsw.ef_search = {ef_search}; SET LOCAL hnsw.iterative_scan = relaxed_order
"""
QUERY = """
WITH {lists}, by_words AS (
    SELECT video_id, idx, row_number() OVER (ORDER BY rank DESC, video_id, idx) AS place
    FROM (SELECT DISTINCT video_id, idx, rank FROM gathered WHERE rank IS NOT NULL) AS found
    ORDER BY place LIMIT {candidates}
), titled AS (
    SELECT video_id, row_number() OVER (ORDER BY rank DESC, published_at DESC NULLS LAST, video_id) AS place FROM (
        SELECT video_id, published_at,
            ts_rank_cd(title_words, websearch_to_tsquery('simple', %(included)s)) AS rank
        FROM videos WHERE title_words @@ websearch_to_tsquery('simple', %(included)s) AND {video_filters}
        LIMIT {most_titles}
    ) AS found ORDER BY place LIMIT {titles}
), by_title AS (
    SELECT titled.video_id, nearest.idx, place, similarity FROM titled CROSS JOIN LATERAL (
        SELECT idx, 1 - (embedding::halfvec({dimensions}) <=> %(vector)s::halfvec({dimensions})) AS similarity
        FROM embeddings JOIN segments USING (video_id, idx)
        WHERE video_id = titled.video_id AND model = {model} AND {segment_filters} ORDER BY similarity DESC, idx LIMIT 1
    ) AS nearest
), merged AS (
    SELECT video_id, idx, max(similarity) AS similarity, bool_or(has_words) AS has_words,
        sum(weight / ({constant} + place)) AS score
    FROM (
        SELECT video_id, idx, place, similarity, false AS has_words, {by_meaning}::float8 AS weight FROM by_meaning
        UNION ALL SELECT video_id, idx, place, NULL, true, {by_words} FROM by_words
        UNION ALL SELECT video_id, idx, place, similarity, false, {by_title} FROM by_title
    ) AS list WHERE weight > 0 GROUP BY video_id, idx ORDER BY score DESC, video_id, idx LIMIT %(limit)s
)
SELECT video_id, title, channel, published_at, source_kind, source_url, start_s, end_s, text, speaker,
    sentence_offsets, sentence_starts_s, idx, speaker_score::float8, also_speaking,
    similarity, has_words, score, sentences
FROM merged JOIN segments USING (video_id, idx) JOIN videos USING (video_id)
LEFT JOIN (SELECT video_id, idx, sentences FROM embeddings WHERE model = {model}) AS known USING (video_id, idx)
ORDER BY score DESC, video_id, idx
"""
BY_MEANING = """
by_meaning AS (
    SELECT video_id, idx, similarity, row_number() OVER (ORDER BY similarity DESC) AS place FROM (
        SELECT video_id, idx, 1 - (embedding::halfvec({dimensions}) <=> %(vector)s::halfvec({dimensions})) AS similarity
        FROM {source} WHERE model = {model} AND {filters}
        ORDER BY embedding::halfvec({dimensions}) <=> %(vector)s::halfvec({dimensions}) LIMIT {candidates}
    ) AS nearest WHERE similarity >= {least}
)"""
# A question is parsed once for each configuration: only a constant can be looked up in the index segments_words. The
# loose question has its words in any order: the index finds it without reading passages.
PASSAGES = """
SELECT video_id, idx, CASE WHEN words @@ {query} THEN ts_rank_cd(words, {query}) END AS rank FROM (
    (SELECT video_id, idx, words FROM (
        SELECT segments.video_id, idx, words FROM segments {join}
        WHERE {of_config} AND words @@ {loose} AND {filters} LIMIT {most_read}
    ) AS read WHERE words @@ {required} LIMIT {most_ranked})
    {near}
) AS passage
"""
NEAR = """
UNION ALL (SELECT video_id, idx, words FROM by_meaning JOIN segments USING (video_id, idx)
WHERE {of_config} AND words @@ {required})
"""
PARSED = "websearch_to_tsquery({config}, %(text)s)"
REQUIRED = "websearch_to_tsquery({config}, %(required)s)"
LOOSE = "regexp_replace(websearch_to_tsquery({config}, %(loose)s)::text, '<(-|[0-9]+)>', '&', 'g')::tsquery"

# Holds for answers of all lists. A question of stop words alone is empty, and would match nothing. Postgres expects a
# CASE to hold for half of the rows, and the operator alone for one in a thousand.
CONDITION = """
CASE WHEN segments.words @@ websearch_to_tsquery(segments.ts_config, %(condition)s) THEN true
ELSE numnode(websearch_to_tsquery(segments.ts_config, %(condition)s)) = 0 END
"""
AMONG = "{} JOIN embeddings USING (video_id, idx)"
# OFFSET 0: what is within is read first, so by the ids of the recordings and not in the order of the vector index.
WITHIN = """
(SELECT video_id, idx, model, embedding FROM embeddings {join} WHERE model = {model} AND {filters} OFFSET 0)
AS embeddings
"""
ALL = sql.SQL("true")


def prepare(connection: Connection, tuning: Tuning = USUAL) -> None:
    """Let this transaction read indexes, and the vector index return the candidates that are asked for."""
    connection.execute(
        sql.SQL(PREPARE).format(
            ef_search=sql.Literal(tuning.ef_search),
            is_exact=sql.Literal(tuning.is_exact),
            is_bounded=sql.Literal(not tuning.is_exact),
        )
    )


class Statement:
    """The query of one question to the vectors of one model."""

    def __init__(self, question: Question, vector: Vector, model: str, tuning: Tuning = USUAL) -> None:
        self._tuning = tuning
        self._wording = wording.read(question.text)
        self._conditions = _conditions(question, scripts.question(self._wording.condition))
        self._values = {name: value for name, (_, value) in self._conditions.items()}
        self._values |= {"vector": HalfVector(vector), "limit": question.limit}
        self._values["text"] = scripts.question(self._wording.words)
        self._values["included"] = scripts.question(self._wording.included)
        self._model = sql.Literal(model)
        self._dimensions = sql.Literal(len(vector))
        self._leave_many = False  # the filters: unknown is as few

    def build(self, connection: Connection) -> tuple[sql.Composed, dict[str, object]]:
        """Return the query and its parameters, for the text configurations of the archive."""
        self._narrow(connection)
        configs = [str(name) for (name,) in connection.execute(CONFIGS)] or ["simple"]
        phrases = scripts.question(self._wording.required)
        (is_empty,) = connection.execute(ARE_EMPTY, (phrases, configs)).fetchone() or (True,)
        if is_empty:
            lists = [*self._nearest(connection), self._gathered(configs, NEAR)]
            found = {"loose": self._values["included"], "required": self._values["text"]}
        else:
            lists = [self._gathered(configs, ""), self._by_meaning(sql.SQL(AMONG).format(sql.SQL("gathered")))]
            found = {"loose": phrases, "required": scripts.question(self._wording.condition)}
        return self._merged(sql.SQL(", ").join(lists)), self._values | found

    def _narrow(self, connection: Connection) -> None:
        """Put the ids of the recordings in the place of the filters of the table `videos`, if these leave few."""
        if not OF_VIDEOS & self._conditions.keys():
            return
        ids = narrowing.recordings(connection, self._filters(leave_out=OF_PASSAGES), self._values)
        if ids is not None:
            kept = {name: known for name, known in self._conditions.items() if name not in OF_VIDEOS}
            self._conditions = {**kept, "video_ids": ("video_id = ANY(%(video_ids)s)", ids)}
            self._values["video_ids"] = ids

    def _nearest(self, connection: Connection) -> list[sql.Composed]:
        """Return the list of the nearest passages: exactly, if the filters leave few, as counted or estimated."""
        join, filters = self._join(), self._filters()
        if "video_ids" in self._conditions:
            needs_segments = bool(self._conditions.keys() & OF_PASSAGES)
            within = sql.SQL(WITHIN).format(
                join=sql.SQL("JOIN segments USING (video_id, idx)" if needs_segments else ""),
                model=self._model,
                filters=filters,
            )
            return [self._by_meaning(within)]
        if self._filters_used():
            plan: Any = connection.execute(
                sql.SQL(ESTIMATE).format(join=join, filters=filters), self._values
            ).fetchone()
            self._leave_many = plan[0][0]["Plan"]["Plan Rows"] > FEW
            if not self._leave_many:
                chosen = sql.SQL(CHOSEN).format(
                    join=join, filters=filters, most_read=sql.Literal(self._tuning.most_read)
                )
                return [chosen, self._by_meaning(sql.SQL(AMONG).format(sql.SQL("chosen")))]
        of_segments = sql.SQL("JOIN segments USING (video_id, idx)" if self._conditions else "")
        return [self._by_meaning(sql.SQL("embeddings {} {}").format(of_segments, join), filters)]

    def _filters_used(self) -> bool:
        return bool(self._conditions.keys() - {"condition"})

    def _by_meaning(self, source: sql.Composable, filters: sql.Composable = ALL) -> sql.Composed:
        return sql.SQL(BY_MEANING).format(
            source=source,
            filters=filters,
            dimensions=self._dimensions,
            model=self._model,
            candidates=sql.Literal(self._tuning.candidates),
            least=sql.Literal(LEAST_SIMILARITY),
        )

    def _gathered(self, configs: Sequence[str], near: LiteralString) -> sql.Composed:
        """Return the list of the passages that are ranked by words."""
        passages = []
        for config in map(sql.Literal, configs):
            # IS TRUE: most passages meet this condition, and its index must not take the place of that of the words.
            of_config = sql.SQL("(ts_config = {}::regconfig) IS TRUE").format(config)
            required = sql.SQL(REQUIRED).format(config=config)
            branch = sql.SQL(PASSAGES).format(
                query=sql.SQL(PARSED).format(config=config),
                loose=sql.SQL(LOOSE).format(config=config),
                required=required,
                of_config=of_config,
                join=self._join(),
                filters=self._filters(leave_out=frozenset({"condition"}), unindexed=self._unindexed()),
                most_read=sql.Literal(self._tuning.most_read),
                most_ranked=sql.Literal(self._tuning.most_ranked),
                near=sql.SQL(near).format(of_config=of_config, required=required),
            )
            passages.append(branch)
        return sql.SQL("gathered AS MATERIALIZED ({})").format(sql.SQL(" UNION ALL ").join(passages))

    def _merged(self, lists: sql.Composable) -> sql.Composed:
        return sql.SQL(QUERY).format(
            lists=lists,
            candidates=sql.Literal(self._tuning.candidates),
            video_filters=self._filters(leave_out=OF_PASSAGES),
            segment_filters=self._filters(leave_out=OF_VIDEOS | {"video_id", "video_ids"}),
            titles=sql.Literal(TITLES),
            most_titles=sql.Literal(MOST_TITLES),
            dimensions=self._dimensions,
            model=self._model,
            constant=sql.Literal(self._tuning.constant),
            by_meaning=sql.Literal(self._tuning.by_meaning),
            by_words=sql.Literal(self._tuning.by_words),
            by_title=sql.Literal(self._tuning.by_title),
        )

    def _join(self) -> sql.SQL:
        return sql.SQL("JOIN videos USING (video_id)" if OF_VIDEOS & self._conditions.keys() else "")

    def _unindexed(self) -> frozenset[str]:
        """Return the filters whose index is not to be read for words: one of a common speaker has many passages."""
        return frozenset({"speaker"}) if self._leave_many else frozenset()

    def _filters(
        self, leave_out: frozenset[str] = frozenset(), unindexed: frozenset[str] = frozenset()
    ) -> sql.Composable:
        chosen = [
            sql.SQL("({}) IS TRUE" if name in unindexed else "{}").format(sql.SQL(text))
            for name, (text, _) in self._conditions.items()
            if name not in leave_out
        ]
        return sql.SQL(" AND ").join(chosen) if chosen else ALL


def _conditions(question: Question, condition: str) -> dict[str, tuple[LiteralString, object]]:
    """Return the condition of each filter that is asked for, with its value, by name."""
    known: tuple[tuple[str, LiteralString, object], ...] = (
        ("speaker", "left(lower(segments.speaker), 200) = left(lower(%(speaker)s), 200)", question.speaker),
        ("channel", "left(lower(videos.channel), 200) = left(lower(%(channel)s), 200)", question.channel),
        ("since", "videos.published_at >= %(since)s", question.since),
        ("until", "videos.published_at < %(until)s", question.until),
        ("language", "videos.language = %(language)s", question.language),
        ("video_id", "video_id = %(video_id)s", question.video_id),
        ("condition", CONDITION, condition or None),
    )
    return {name: (text, value) for name, text, value in known if value is not None}
