"""The archive on a real Postgres with pgvector: replaced whole, fenced, folded, searched."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, LiteralString

import numpy as np
import psycopg
import pytest
from pydantic import SecretStr

from ingest.embedder.catalog import Catalog
from ingest.embedder.database import Database
from ingest.embedder.ledger import write_events
from ingest.embedder.migrate import build_index, migrate, migrations
from ingest.embedder.passages import Passage
from ingest.embedder.search import Question, Search
from ingest.embedder.store import Rows, Store
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.messages import Event, EventKind, Metadata, Source, SourceKind, Stage
from tests.support.stopping import stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.cli.local.postgres_server import EmbeddedPostgres
    from ingest.embedder.encoder import Encoder, Vector

VIDEO = "abcdefghijk"
NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def passage(index: int, text: str, speaker: str | None = None) -> Passage:
    first, _, rest = text.partition(". ")
    return Passage(
        index=index,
        start_s=index * 30.0,
        end_s=index * 30.0 + 25,
        text=text,
        speaker=speaker,
        speaker_score=None,
        is_overlap=False,
        offsets=(0, len(first) + 2) if rest else (0,),
        starts_s=(index * 30.0, index * 30.0 + 12) if rest else (index * 30.0,),
        avg_logprob=-0.2,
        compression_ratio=1.3,
        no_speech_prob=0.01,
        refined=False,
        flags=(),
    )


def vectors(count: int, seed: int = 0, dimensions: int = 8) -> list[Vector]:
    made = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    return list(made / np.linalg.norm(made, axis=1, keepdims=True))


def execute(database: Database, query: LiteralString) -> None:
    with database.transaction() as connection:
        connection.execute(query)


def rows(generation: int, count: int) -> Rows:
    built = [passage(index, f"Passage {index} of run {generation}.") for index in range(count)]
    return Rows(VIDEO, generation, "en", built, vectors(count, generation))


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database, "test-model", 8)


def test_the_rows_of_a_newer_run_replace_all_older_ones(store: Store, database: Database) -> None:
    store.replace(rows(1, 5))
    store.replace(rows(2, 3))
    assert [row.text for row in Catalog(database).passages(VIDEO)] == [f"Passage {i} of run 2." for i in range(3)]
    with database.transaction() as connection:
        assert connection.execute("SELECT count(*) FROM embeddings").fetchone() == (3,)
    assert Catalog(database).videos([VIDEO])[VIDEO].state == "indexed"


@pytest.mark.parametrize("generation", [pytest.param(1, id="older"), pytest.param(2, id="the same")])
def test_a_stale_run_is_refused_and_leaves_no_trace(store: Store, database: Database, generation: int) -> None:
    store.replace(rows(2, 3))
    with pytest.raises(IngestError) as refused:
        store.replace(rows(generation, 7))
    assert refused.value.code is Code.SUPERSEDED
    assert len(Catalog(database).passages(VIDEO)) == 3
    assert store.stored_passages(VIDEO, generation) == 3
    assert store.stored_passages(VIDEO, 3) is None


def test_a_reader_never_sees_a_mix_of_two_runs(store: Store, database: Database) -> None:
    store.replace(rows(1, 40))
    seen: set[tuple[str, int]] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            texts = [row.text for row in Catalog(database).passages(VIDEO)]
            seen.add((" ".join(sorted({text.split(" of ")[1] for text in texts})), len(texts)))

    reader = threading.Thread(target=read)
    reader.start()
    for generation in range(2, 12):
        store.replace(rows(generation, 40 + generation))
    done.set()
    reader.join()
    assert all(text == f"run {count - 40}." or (text, count) == ("run 1.", 40) for text, count in seen)


def test_of_many_writers_of_one_run_exactly_one_stores(store: Store, database: Database) -> None:
    outcomes: list[str] = []

    def write() -> None:
        try:
            store.replace(rows(1, 20))
            outcomes.append("stored")
        except IngestError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["SUPERSEDED"] * 5 + ["stored"]
    assert len(Catalog(database).passages(VIDEO)) == 20


def test_no_passages_is_a_stored_result(store: Store, database: Database) -> None:
    store.replace(rows(1, 0))
    assert Catalog(database).videos([VIDEO])[VIDEO].passages == 0
    assert store.stored_passages(VIDEO, 1) == 0


def test_text_that_postgres_refuses_is_cleaned(store: Store, database: Database) -> None:
    bad = Rows(VIDEO, 1, "en", [passage(0, "zero\x00 and \ud800surrogate.")], vectors(1))
    store.replace(bad)
    assert Catalog(database).passages(VIDEO)[0].text == "zero and surrogate."


def test_a_model_of_other_dimensions_under_the_same_name_is_refused(store: Store, database: Database) -> None:
    store.replace(rows(1, 1))
    with pytest.raises(IngestError, match="16 dimensions, the archive holds 8") as refused:
        Store(database, "test-model", 16)
    assert refused.value.code is Code.ENV_MODEL_VERSION


def test_an_unavailable_database_does_not_count_against_the_video(store: Store, database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    store.replace(rows(1, 2))
    with pytest.raises(IngestError) as lost:
        execute(database, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert lost.value.code is Code.ENV_DB_UNAVAILABLE


def test_a_call_without_a_response_ends_at_its_deadline(database_url: str) -> None:
    slow = Database(SecretStr(database_url), password=None, size=1, timeout_s=1.0, name="slow").open()
    with slow, pytest.raises(IngestError) as ended:
        execute(slow, "SET LOCAL statement_timeout = 0; SELECT pg_sleep(20)")
    assert ended.value.code is Code.ENV_DB_UNAVAILABLE


@contextmanager
def frozen(*processes: int) -> Iterator[None]:
    """Let processes neither answer nor end."""
    for process in processes:
        stop(process)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def backend_of(database: Database) -> int:
    """Return the process that serves the one connection of a pool."""
    with database.transaction() as connection:
        (process,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (0,)
    return int(str(process))


def test_a_connection_to_a_frozen_backend_is_replaced(database_url: str) -> None:
    alone = Database(SecretStr(database_url), password=None, size=1, timeout_s=20.0, name="alone").open()
    with alone, ThreadPoolExecutor() as callers, frozen(backend_of(alone)):
        assert callers.submit(Catalog(alone).totals).result(15) == []


def test_a_call_to_a_frozen_database_ends(database_url: str, postgres: EmbeddedPostgres) -> None:
    alone = Database(SecretStr(database_url), password=None, size=1, timeout_s=2.0, name="alone").open()
    with alone, ThreadPoolExecutor() as callers:
        with frozen(postgres.process.pid, backend_of(alone)):
            began = time.monotonic()
            error = callers.submit(Catalog(alone).totals).exception(25)
            assert time.monotonic() - began < 20
        assert isinstance(error, IngestError)
        assert error.code is Code.ENV_DB_UNAVAILABLE
        assert Catalog(alone).totals() == []


def execute_and_idle(database: Database, query: LiteralString) -> None:
    with database.transaction() as connection:
        connection.execute(query)
        time.sleep(0.5)
        connection.execute("SELECT 1")


NOT_THE_VIDEOS_FAULT: list[object] = [
    pytest.param("SET TRANSACTION READ ONLY; DELETE FROM videos", id="read-only"),
    pytest.param("SET LOCAL idle_in_transaction_session_timeout = 10; SELECT pg_sleep(0)", id="idle for too long"),
    pytest.param("DROP TABLE videos CASCADE; SELECT * FROM videos", id="no tables"),
]


@pytest.mark.parametrize("query", NOT_THE_VIDEOS_FAULT)
def test_a_database_that_refuses_work_does_not_count_against_the_video(
    database: Database, query: LiteralString
) -> None:
    with pytest.raises(IngestError) as refused:
        execute_and_idle(database, query)
    assert refused.value.code is Code.ENV_DB_UNAVAILABLE


def test_an_error_in_a_query_is_not_reported_as_an_unavailable_database(database: Database) -> None:
    with pytest.raises(psycopg.errors.UndefinedColumn):
        execute(database, "SELECT nothing FROM videos")


def test_migrating_again_and_at_the_same_time_changes_nothing(database: Database) -> None:
    results: list[list[str]] = []
    threads = [threading.Thread(target=lambda: results.append(migrate(database))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[]] * 4


def test_a_newer_database_is_refused(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO migrations (name, sha256) VALUES ('9999_future.sql', 'x')")
    with pytest.raises(ConfigurationError, match=r"newer than this program: it has 9999_future\.sql"):
        migrate(database)


def test_migrations_have_numbered_names() -> None:
    assert [name[:4] for name, _ in migrations()] == [f"{number + 1:04}" for number in range(len(migrations()))]


# -- the ledger -------------------------------------------------------------------------------------------------------


def event(kind: EventKind, stage: Stage = Stage.ASR, **fields: object) -> Event:
    return Event(
        video_id=VIDEO,
        generation=1,
        stage=stage,
        kind=kind,
        at=NOW,
        source=Source(kind=SourceKind.YOUTUBE, url=f"https://www.youtube.com/watch?v={VIDEO}"),
        **fields,
    )


def test_events_become_one_row_with_the_facts_of_all_of_them(database: Database) -> None:
    retry_at = NOW + timedelta(hours=1)
    told = [
        event(EventKind.SUBMITTED, Stage.CHECK, metadata=Metadata(min_speakers=2, max_speakers=4)),
        event(EventKind.FINISHED, Stage.CHECK, metadata=Metadata(title="A talk", channel="Talks", duration_s=60)),
        event(EventKind.FINISHED, Stage.DOWNLOAD, numbers={"bytes": 1000.0}),
        event(EventKind.POSTPONED, code=Code.ENV_DISK_FULL, text="full", retry_at=retry_at),
    ]
    write_events(database, [(one, (7, number + 1)) for number, one in enumerate(told)])
    row = Catalog(database).videos([VIDEO])[VIDEO]
    assert (row.state, row.stage, row.error_code, row.retry_at) == ("postponed", "asr", "ENV_DISK_FULL", retry_at)
    assert (row.title, row.channel, row.duration_s) == ("A talk", "Talks", 60)
    assert (row.min_speakers, row.max_speakers) == (2, 4)
    assert (row.figures, row.asked_at) == ({"download.bytes": 1000.0}, NOW)


def test_an_event_that_comes_twice_or_late_changes_nothing(database: Database) -> None:
    write_events(database, [(event(EventKind.FAILED, code=Code.NOT_AUDIO), (7, 10))])
    before = Catalog(database).videos([VIDEO])
    write_events(
        database, [(event(EventKind.STARTED), (7, 9)), (event(EventKind.FAILED, code=Code.NOT_AUDIO), (7, 10))]
    )
    assert Catalog(database).videos([VIDEO]) == before


def test_a_late_event_of_a_slower_worker_does_not_undo_stored_rows(store: Store, database: Database) -> None:
    store.replace(rows(1, 2))
    write_events(database, [(event(EventKind.STARTED, attempt=2), (7, 11)), (event(EventKind.FAILED), (7, 12))])
    row = Catalog(database).videos([VIDEO])[VIDEO]
    assert (row.state, row.error_code) == ("indexed", None)


def test_totals_count_states_and_reasons(database: Database) -> None:
    write_events(database, [(event(EventKind.FAILED, code=Code.NOT_AUDIO, metadata=Metadata(duration_s=90)), (7, 1))])
    (total,) = Catalog(database).totals()
    assert (total.state, total.error_code, total.videos, total.duration_s) == ("failed", "NOT_AUDIO", 1, 90)


# -- search -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    from ingest.embedder.encoder import Encoder  # seconds of imports, in every process that collects tests
    from ingest.embedder.model_files import BUNDLED

    return Encoder(BUNDLED, "cpu", 32)


@pytest.fixture
def filled(database: Database, encoder: Encoder) -> Search:
    texts = {
        "sea00000001": ["The captain steers the ship. The sailor repairs the anchor.", "Nothing of interest here."],
        "space000001": ["The telescope photographs the comet. The rocket circles the moon."],
    }
    store = Store(database, encoder.key, encoder.dimensions)
    for number, (video_id, passages) in enumerate(texts.items()):
        told = Event(
            video_id=video_id,
            generation=1,
            stage=Stage.CHECK,
            kind=EventKind.SUBMITTED,
            at=NOW,
            source=Source(kind=SourceKind.YOUTUBE, url=f"https://www.youtube.com/watch?v={video_id}"),
            metadata=Metadata(title=video_id, channel=f"Channel {number}", published_at=NOW - timedelta(days=number)),
        )
        write_events(database, [(told, (1, number + 1))])
        built = [passage(index, text, speaker=f"Speaker {index}") for index, text in enumerate(passages)]
        store.replace(Rows(video_id, 1, "en", built, encoder.run(passages)))
    return Search(database, encoder)


def test_a_question_in_other_words_finds_the_passage_and_the_second_of_its_best_sentence(filled: Search) -> None:
    best = filled.ask(Question("mending the heavy iron hook of a boat"))[0]
    assert best.video_id == "sea00000001"
    assert best.sentence == "The sailor repairs the anchor."
    assert best.start_s == 12.0
    assert best.url == "https://www.youtube.com/watch?v=sea00000001&t=12s"


def test_words_are_found_in_any_form(filled: Search) -> None:
    best = filled.ask(Question("photograph comets"))[0]
    assert (best.video_id, best.has_words) == ("space000001", True)


@pytest.mark.parametrize(
    ("question", "found"),
    [
        pytest.param(Question("ship", channel="channel 1"), {"space000001"}, id="other channel"),
        pytest.param(Question("ship", since=NOW - timedelta(hours=1)), {"sea00000001"}, id="only recent"),
        pytest.param(Question("ship", speaker="speaker 1"), {"sea00000001"}, id="speaker"),
        pytest.param(Question("ship", speaker="nobody"), set(), id="unknown speaker"),
    ],
)
def test_filters_hold(filled: Search, question: Question, found: set[str]) -> None:
    hits = filled.ask(question)
    assert {hit.video_id for hit in hits} <= found
    if question.speaker is not None:
        assert all((hit.speaker or "").lower() == question.speaker for hit in hits)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("telescope ship", {"space000001", "sea00000001"}, id="words"),
        pytest.param("telescope ship -sailor", {"space000001"}, id="without a word"),
        pytest.param("telescope ship -sailors", {"space000001"}, id="without a word in another form"),
        pytest.param('telescope ship -"repairs the anchor"', {"space000001"}, id="without a phrase"),
        pytest.param('telescope ship -"anchor the repairs"', {"space000001", "sea00000001"}, id="another order"),
        pytest.param("telescope ship -the", {"space000001", "sea00000001"}, id="without a word that every text has"),
        pytest.param('telescope "repairs the anchor"', {"sea00000001"}, id="with a phrase"),
        pytest.param('ship "anchor the repairs"', set(), id="with a phrase in another order"),
        pytest.param('telescope OR "no such phrase"', {"space000001"}, id="a word or a phrase"),
    ],
)
def test_phrases_and_words_left_out_hold_for_answers_found_by_meaning_too(
    filled: Search, text: str, found: set[str]
) -> None:
    assert {hit.video_id for hit in filled.ask(Question(text, limit=100))} == found


def test_the_same_answers_come_with_the_index(filled: Search, database: Database, encoder: Encoder) -> None:
    before = filled.ask(Question("ship"))
    assert build_index(database) == [encoder.key]
    assert build_index(database) == []
    assert filled.ask(Question("ship")) == before


def test_an_empty_archive_has_no_answer(database: Database, encoder: Encoder) -> None:
    assert Search(database, encoder).ask(Question("ship")) == []


def test_a_question_to_an_archive_of_another_model_is_refused(database: Database, encoder: Encoder) -> None:
    Store(database, "another-model", 8)
    with pytest.raises(IngestError, match="another-model") as refused:
        Search(database, encoder).ask(Question("ship"))
    assert refused.value.code is Code.ENV_MODEL_VERSION


def test_a_broken_connection_is_replaced_without_a_restart(database: Database, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'")
    assert Catalog(database).totals() == []
