"""Search in an archive of 10,000 passages: Postgres reads indexes, never the whole table of passages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, LiteralString

import numpy as np
import psycopg
import pytest
from pgvector import HalfVector
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from ingest.embedder import vector_index
from ingest.embedder.database import Database
from ingest.embedder.search import CANDIDATES, CONFIGS, Question, Search, fit_index, statement
from ingest.embedder.vector_index import build_index, index_name
from ingest.shared.errors import IngestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.cli.local.postgres_server import EmbeddedPostgres
    from ingest.embedder.database import Connection
    from ingest.embedder.encoder import Vector

MODEL = "test-model"
DIMENSIONS = 8
FILL: tuple[LiteralString, ...] = (
    "SELECT setseed(0.5)",
    """INSERT INTO videos (video_id, channel, published_at, source_kind, source_url, title, state)
    SELECT 'v' || lpad(n::text, 10, '0'), 'Channel ' || n % 20, date '2026-01-01' + n % 300, 'media',
        'http://x.example/' || n, 'Talk ' || n, 'indexed' FROM generate_series(1, 400) AS n""",
    """INSERT INTO segments (video_id, idx, start_s, end_s, text, speaker, sentence_offsets, sentence_starts_s,
        avg_logprob, compression_ratio, no_speech_prob, refined, flags, ts_config)
    SELECT video_id, idx, idx, idx + 1,
        'the harbor ' || substr(md5(random()::text), 1, 3) || ' häfen ' || substr(md5(random()::text), 1, 3),
        CASE WHEN random() < 0.001 THEN 'Rare' ELSE 'Other' END, '{0}', ARRAY[idx],
        -0.2, 1.4, 0.01, false, '{}', (ARRAY['english', 'german']::regconfig[])[1 + idx % 2]
    FROM videos, generate_series(0, 24) AS idx""",
    "INSERT INTO models (model, dimensions) VALUES ('test-model', 8)",
    """INSERT INTO embeddings SELECT video_id, idx, 'test-model',
        ARRAY[random(), random(), random(), random(), random(), random(), random(), random()]::vector(8)::halfvec
    FROM segments""",
)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)


class _Encoder:
    """Random vectors: which index is read does not depend on their meaning."""

    key = MODEL
    dimensions = DIMENSIONS
    content_id = "0" * 40

    def run(self, texts: Sequence[str]) -> list[Vector]:
        made = np.random.default_rng(len(texts)).standard_normal((len(texts), DIMENSIONS)).astype(np.float32)
        return list(made / np.linalg.norm(made, axis=1, keepdims=True))


@pytest.fixture(scope="module")
def large(postgres: EmbeddedPostgres) -> Iterator[Database]:
    with psycopg.connect(postgres.url, autocommit=True, dbname="postgres") as connection:
        connection.execute("CREATE DATABASE large TEMPLATE ingest")
    url = make_conninfo(postgres.url, dbname="large")
    with Database(SecretStr(url), password=None, size=2, timeout_s=60.0, name="test").open() as database:
        with database.transaction() as connection:
            for query in FILL:
                connection.execute(query)
            connection.execute("UPDATE models SET content_id = %s", (_Encoder.content_id,))
        assert build_index(database) == [MODEL]
        with database.session() as connection:
            connection.execute("VACUUM ANALYZE")  # as autovacuum does
        yield database


def configs(connection: Connection) -> list[str]:
    return [str(name) for (name,) in connection.execute(CONFIGS)]


def plan(database: Database, question: Question) -> str:
    """Return the plan of the half by meaning, and of the half by words, of the query of a question."""
    (vector,) = _Encoder().run([question.text])
    with database.transaction() as connection:
        fit_index(connection)
        query, asked = statement(question, vector, MODEL, configs(connection))
        lines = connection.execute(sql.SQL("EXPLAIN ") + query, asked).fetchall()
    return "\n".join(str(line) for (line,) in lines)


@pytest.mark.parametrize(
    ("question", "index", "times"),
    [
        pytest.param(Question("3fa"), "segments_words", 2, id="words, in each configuration"),
        pytest.param(Question("3fa"), "embeddings_hnsw_", 1, id="meaning"),
        pytest.param(Question("3fa", channel="channel 3"), "segments_words", 2, id="channel"),
        pytest.param(Question("3fa", since=JUNE), "segments_words", 2, id="since"),
        pytest.param(Question("the harbor", speaker="rare"), "segments_speaker", 3, id="rare speaker"),
        pytest.param(Question("3fa", "rare", "channel 3", JUNE), "segments_speaker", 3, id="all filters"),
    ],
)
def test_a_question_reads_indexes_and_never_all_passages(
    large: Database, question: Question, index: str, times: int
) -> None:
    found = plan(large, question)
    assert found.count(index) == times, found
    assert "Seq Scan on segments" not in found


def test_the_configurations_in_use_are_read_from_an_index(large: Database) -> None:
    with large.transaction() as connection:
        assert sorted(configs(connection)) == ["english", "german"]
        lines = connection.execute(sql.SQL("EXPLAIN (ANALYZE) ") + sql.SQL(CONFIGS)).fetchall()
    assert sum("Index Only Scan using segments_ts_config" in str(line) for (line,) in lines) == 2


def test_the_vector_index_returns_as_many_passages_as_are_asked_for(large: Database) -> None:
    (vector,) = _Encoder().run(["question"])
    nearest = "SELECT video_id, idx FROM embeddings WHERE model = 'test-model' ORDER BY embedding::halfvec(8) <=> %s"
    with large.transaction() as connection:
        fit_index(connection)
        found = connection.execute(f"{nearest}::halfvec(8) LIMIT {CANDIDATES}", (HalfVector(vector),)).fetchall()
        connection.execute("SET LOCAL enable_indexscan = off")
        exact = connection.execute(f"{nearest}::halfvec(8) LIMIT {CANDIDATES}", (HalfVector(vector),)).fetchall()
    assert len(set(found) & set(exact)) >= 0.98 * CANDIDATES


def test_words_of_every_language_in_use_are_found(large: Database) -> None:
    search = Search(large, _Encoder())  # type: ignore[arg-type] # no model is needed for words
    hits = search.ask(Question("häfen", limit=100))
    assert {hit.passage_start_s % 2 for hit in hits if hit.has_words} == {0, 1}


def is_valid(database: Database) -> bool:
    with database.transaction() as connection:
        (valid,) = connection.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", (index_name(MODEL),)
        ).fetchone() or (False,)
    return bool(valid)


def make_invalid(connection: Connection) -> None:
    """Leave the index as a build that was killed leaves it."""
    connection.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)", (index_name(MODEL),)
    )


def test_one_command_at_a_time_replaces_an_invalid_index(large: Database) -> None:
    with large.transaction() as connection:
        make_invalid(connection)
        key = (vector_index.LOCK, large.schema)
        connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", key)
        with pytest.raises(IngestError, match="another command builds the vector index"):
            build_index(large)
    assert not is_valid(large)
    assert build_index(large) == [MODEL]
    assert is_valid(large)
    assert build_index(large) == []


def test_a_build_whose_memory_is_larger_than_the_shared_memory_uses_one_process(
    postgres: EmbeddedPostgres, large: Database
) -> None:
    settings = {"maintenance_work_mem": "1000GB", "min_parallel_table_scan_size": "0"}
    with large.transaction() as connection:
        make_invalid(connection)
    with psycopg.connect(make_conninfo(postgres.url, dbname="large"), autocommit=True) as connection:
        for name, value in settings.items():
            connection.execute(
                sql.SQL("ALTER DATABASE large SET {} = {}").format(sql.Identifier(name), sql.Literal(value))
            )
    try:
        url = SecretStr(make_conninfo(postgres.url, dbname="large"))
        with Database(url, password=None, size=1, timeout_s=60.0, name="test").open() as database:
            assert build_index(database) == [MODEL]
            with database.session() as connection:
                left = [
                    connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
                    for name in ("maintenance_work_mem", "max_parallel_maintenance_workers")
                ]
    finally:
        with psycopg.connect(make_conninfo(postgres.url, dbname="large"), autocommit=True) as connection:
            connection.execute("ALTER DATABASE large RESET ALL")
    assert left == [("1000GB",), ("2",)]
    assert is_valid(large)
