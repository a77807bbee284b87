"""Search in an archive of 10,000 passages: Postgres reads indexes, never the whole table of passages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, LiteralString

import numpy as np
import psycopg
import pytest
from pgvector import HalfVector
from prometheus_client import REGISTRY
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from ingest.cli.runs.vector_index import build_where_large
from ingest.embedder.postgres.database import Database
from ingest.embedder.postgres.index_care import IndexCare
from ingest.embedder.postgres.index_state import LOCK, index_name, may_build, missing_indexes
from ingest.embedder.postgres.vector_index import build_index
from ingest.embedder.search import narrowing, search_query
from ingest.embedder.search.hybrid import Search
from ingest.embedder.search.question import Question
from ingest.embedder.search.search_query import CONFIGS, Statement
from ingest.embedder.search.tuning import USUAL, Tuning
from ingest.shared.errors import IngestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.cli.local.postgres.server import EmbeddedPostgres
    from ingest.embedder.postgres.database import Connection
    from ingest.embedder.text_model.encoder import Vector

MODEL = "test-model"
DIMENSIONS = 8
FILL: tuple[LiteralString, ...] = (
    "SELECT setseed(0.5)",
    """INSERT INTO videos (video_id, channel, published_at, source_kind, source_url, title, state, language)
    SELECT 'v' || lpad(n::text, 10, '0'), 'Channel ' || n % 20, date '2026-01-01' + n % 300, 'media',
        'http://x.example/' || n, CASE n WHEN 400 THEN '天気予報' ELSE 'Talk ' || n END, 'indexed',
        CASE n % 100 WHEN 0 THEN 'ca' ELSE 'en' END
    FROM generate_series(1, 400) AS n""",
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
PASSAGES = 10_000
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)


class _Encoder:
    """Random vectors: which index is read does not depend on their meaning."""

    key = MODEL
    dimensions = DIMENSIONS
    content_id = "0" * 40

    def question(self, text: str) -> Vector:
        return self.run([text])[0]

    def run(self, texts: Sequence[str]) -> list[Vector]:
        made = np.random.default_rng(len(texts)).standard_normal((len(texts), DIMENSIONS)).astype(np.float32)
        return list(made / np.linalg.norm(made, axis=1, keepdims=True))


@pytest.fixture(scope="module")
def large(postgres: EmbeddedPostgres) -> Iterator[Database]:
    with psycopg.connect(postgres.url, autocommit=True, dbname="postgres") as connection:
        connection.execute("DROP DATABASE IF EXISTS large WITH (FORCE)")
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


@pytest.mark.long
def test_a_run_builds_the_index_of_a_large_archive_and_an_interrupted_build_is_repeated(
    large: Database, postgres: EmbeddedPostgres, capsys: pytest.CaptureFixture[str]
) -> None:
    with large.session() as connection:
        name = sql.Identifier(large.schema, index_name(MODEL))
        connection.execute(sql.SQL("DROP INDEX {}").format(name))
    build_where_large(large, lambda: True)
    assert [(one.model, one.passages) for one in missing_indexes(large)] == [(MODEL, PASSAGES)]
    with psycopg.connect(make_conninfo(postgres.url, dbname="large")) as writer:  # a build waits for it
        writer.execute("LOCK TABLE embeddings IN ROW EXCLUSIVE MODE")
        build_where_large(large, lambda: True, passages=PASSAGES)
    assert "ingest migrate --index" in capsys.readouterr().err
    assert [one.model for one in missing_indexes(large)] == [MODEL]
    build_where_large(large, lambda: False, passages=PASSAGES)
    assert missing_indexes(large) == []


def configs(connection: Connection) -> list[str]:
    return [str(name) for (name,) in connection.execute(CONFIGS)]


def plan(database: Database, question: Question, options: LiteralString = "") -> list[dict[str, Any]]:
    """Return the nodes of the plan of a question's query."""
    (vector,) = _Encoder().run([question.text])
    with database.transaction() as connection:
        search_query.prepare(connection)
        query, asked = Statement(question, vector, MODEL).build(connection)
        explain = sql.SQL("EXPLAIN ({} FORMAT JSON) ").format(sql.SQL(options))
        row: Any = connection.execute(explain + query, asked).fetchone()
    return list(nodes(row[0][0]["Plan"]))


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)


def indexes(found: Sequence[dict[str, Any]]) -> set[str]:
    names = {str(node["Index Name"]) for node in found if "Index Name" in node}
    return {"vectors" if name.startswith("embeddings_hnsw_") else name for name in names}


@pytest.mark.parametrize(
    ("question", "read", "not_read"),
    [
        pytest.param(Question("3fa"), {"segments_words", "vectors", "videos_title_words"}, set(), id="rare word"),
        pytest.param(Question("the harbor"), {"segments_words", "vectors"}, set(), id="common word"),
        pytest.param(Question("3fa -harbor"), {"segments_words", "vectors"}, set(), id="word left out"),
        pytest.param(Question('"harbor häfen"'), {"segments_words"}, {"vectors"}, id="phrase"),
        pytest.param(
            Question("3fa", "other"), {"segments_words", "vectors"}, {"segments_speaker"}, id="common speaker"
        ),
        pytest.param(Question("the harbor", "rare"), {"segments_speaker"}, {"vectors"}, id="rare speaker"),
        pytest.param(
            Question("3fa", channel="channel 3"), {"segments_words", "embeddings_pkey"}, {"vectors"}, id="channel"
        ),
        pytest.param(Question("harbor", since=OCTOBER), {"embeddings_pkey"}, {"vectors"}, id="since"),
        pytest.param(Question("3fa", since=FEBRUARY), {"segments_words", "vectors"}, set(), id="long since"),
        pytest.param(Question("harbor", until=FEBRUARY), {"embeddings_pkey"}, {"vectors"}, id="until"),
        pytest.param(Question("3fa", language="en"), {"segments_words", "vectors"}, set(), id="common language"),
        pytest.param(Question("harbor", language="ca"), {"embeddings_pkey"}, {"vectors"}, id="rare language"),
        pytest.param(Question("harbor", video_id="v0000000007"), {"segments_pkey"}, {"vectors"}, id="recording"),
        pytest.param(
            Question("harbor", "other", since=FEBRUARY, language="en"), {"vectors"}, set(), id="common filters"
        ),
        pytest.param(
            Question("3fa", "rare", "channel 3", FEBRUARY, OCTOBER, "en"), {"embeddings_pkey"}, {"vectors"}, id="all"
        ),
    ],
)
def test_a_question_reads_indexes_and_never_a_whole_table(
    large: Database, monkeypatch: pytest.MonkeyPatch, question: Question, read: set[str], not_read: set[str]
) -> None:
    monkeypatch.setattr(narrowing, "MOST_RECORDINGS", 80)  # of 400: the archive is small
    found = plan(large, question)
    assert indexes(found) >= read, indexes(found)
    assert not indexes(found) & not_read, indexes(found)
    assert [node["Relation Name"] for node in found if node["Node Type"] == "Seq Scan"] == []


@pytest.mark.parametrize(
    "question",
    [
        pytest.param(Question("harbor", channel="channel 3"), id="channel"),
        pytest.param(Question("häfen", "other", since=OCTOBER), id="speaker and day"),
        pytest.param(Question("harbor -3fa", until=FEBRUARY, channel="CHANNEL 4"), id="word left out"),
        pytest.param(Question('"the harbor"', language="ca"), id="phrase"),
        pytest.param(Question("harbor", channel="no such channel"), id="nothing"),
    ],
)
def test_few_recordings_are_compared_exactly(
    large: Database, monkeypatch: pytest.MonkeyPatch, question: Question
) -> None:
    by_ids = Search(large, _Encoder()).ask(question)
    for bound in ("MOST_RECORDINGS", "MOST_PASSAGES"):
        with monkeypatch.context() as patched:
            patched.setattr(narrowing, bound, 0)
            assert Search(large, _Encoder(), Tuning(is_exact=True)).ask(question) == by_ids
    assert bool(by_ids) == (question.channel != "no such channel")


@pytest.mark.parametrize("text", ["harbor", '"the harbor"', "harbor -3fa", "harbor OR häfen"])
def test_of_a_common_word_a_bounded_number_of_passages_is_read(large: Database, text: str) -> None:
    found = plan(large, Question(text), "ANALYZE,")
    read = [node["Actual Rows"] for node in found if node.get("Relation Name") == "segments"]
    assert max(read) <= 1.1 * USUAL.most_ranked < PASSAGES / 2 / 2  # half of the passages in each configuration


@pytest.mark.parametrize(
    ("question", "found"),
    [
        pytest.param(Question("talk 77"), {"v0000000077"}, id="title"),
        pytest.param(Question("TALK channel 17 77"), {"v0000000077"}, id="title and channel"),
        pytest.param(Question("天気"), {"v0000000400"}, id="a script without blanks"),
        pytest.param(Question("talk 77", channel="channel 3"), set(), id="title in another channel"),
        pytest.param(Question('talk "77"'), set(), id="a phrase that passages must have"),
    ],
)
def test_titles_and_channels_are_searched(large: Database, question: Question, found: set[str]) -> None:
    hits = Search(large, _Encoder()).ask(question)
    assert {hit.video_id for hit in hits} & {"v0000000077", "v0000000400"} == found


def test_the_configurations_in_use_are_read_from_an_index(large: Database) -> None:
    with large.transaction() as connection:
        assert sorted(configs(connection)) == ["english", "german"]
        lines = connection.execute(sql.SQL("EXPLAIN (ANALYZE) ") + sql.SQL(CONFIGS)).fetchall()
    assert sum("Index Only Scan using segments_ts_config" in str(line) for (line,) in lines) == 2


def test_the_vector_index_returns_as_many_passages_as_are_asked_for(large: Database) -> None:
    (vector,) = _Encoder().run(["question"])
    nearest = "SELECT video_id, idx FROM embeddings WHERE model = 'test-model' ORDER BY embedding::halfvec(8) <=> %s"
    with large.transaction() as connection:
        search_query.prepare(connection)
        found = connection.execute(f"{nearest}::halfvec(8) LIMIT {USUAL.candidates}", (HalfVector(vector),)).fetchall()
        connection.execute("SET LOCAL enable_indexscan = off")
        exact = connection.execute(f"{nearest}::halfvec(8) LIMIT {USUAL.candidates}", (HalfVector(vector),)).fetchall()
    assert len(set(found) & set(exact)) >= 0.98 * USUAL.candidates


def test_words_of_every_language_in_use_are_found(large: Database) -> None:
    search = Search(large, _Encoder())
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


def test_the_embedder_builds_an_index_that_is_missing_or_invalid_and_exports_it(large: Database) -> None:
    with large.transaction() as connection:
        make_invalid(connection)
    care = IndexCare(large, large=PASSAGES // 2)
    care.look()
    assert exported("ingest_vector_indexes_missing") == 1
    care.wait(60)
    assert is_valid(large)
    care.look()
    assert exported("ingest_vector_indexes_missing") == 0
    IndexCare(large, large=10 * PASSAGES).look()
    assert is_valid(large)


def test_the_embedder_leaves_a_build_to_the_process_that_holds_its_lock(large: Database) -> None:
    with large.transaction() as connection:
        make_invalid(connection)
    with large.transaction() as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (LOCK, large.schema))
        care = IndexCare(large, large=PASSAGES // 2)
        care.look()
        care.wait(60)
        assert exported("ingest_vector_index_build_ratio") == 0
        assert not is_valid(large)
    assert build_index(large) == [MODEL]


def test_a_role_that_does_not_own_the_tables_builds_nothing(large: Database, postgres: EmbeddedPostgres) -> None:
    assert may_build(large)
    with psycopg.connect(make_conninfo(postgres.url, dbname="large"), autocommit=True) as connection:
        connection.execute("CREATE ROLE looks LOGIN")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO looks")
        connection.execute("GRANT USAGE ON SCHEMA public TO looks")
    url = SecretStr(make_conninfo(postgres.url, dbname="large", user="looks"))
    with Database(url, password=None, size=2, timeout_s=60.0, name="test").open() as database:
        assert missing_indexes(database) == []
        assert not may_build(database)


def exported(name: str) -> float | None:
    """Return the value of a metric of the embedder."""
    return next(
        (sample.value for family in REGISTRY.collect() for sample in family.samples if sample.name == name), None
    )


def test_a_search_that_takes_too_long_ends_and_says_what_to_look_at(large: Database) -> None:
    search = Search(large, _Encoder(), longest_s=0.2)
    with large.transaction() as holder:
        holder.execute("LOCK TABLE segments IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(IngestError, match="`ingest status` says whether the vector index"):
            search.ask(Question("harbor"))


def test_one_command_at_a_time_replaces_an_invalid_index(large: Database) -> None:
    with large.transaction() as connection:
        make_invalid(connection)
        key = (LOCK, large.schema)
        connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", key)
        with pytest.raises(IngestError, match="another process builds the vector index"):
            build_index(large)
    assert not is_valid(large)
    assert build_index(large) == [MODEL]
    assert is_valid(large)
    assert build_index(large) == []


def test_a_build_whose_memory_is_larger_than_the_shared_memory_uses_one_process(
    postgres: EmbeddedPostgres, large: Database
) -> None:
    settings = {"maintenance_work_mem": "1000GB", "min_parallel_table_scan_size": "0"}
    settings["max_parallel_maintenance_workers"] = "2"
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
