"""The archive on a real Postgres with pgvector: replaced whole, fenced, folded."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ingest.embedder.postgres.migrate import migrate, migrations
from ingest.embedder.tables.catalog import Catalog
from ingest.embedder.tables.ledger import write_events
from ingest.embedder.tables.store import Rows, Store
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.messages import EventKind, Metadata, Stage
from tests.support.archive_rows import NOW, VIDEO, event, passage, rows, vectors

if TYPE_CHECKING:
    from ingest.embedder.postgres.database import Database


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


def test_events_become_one_row_with_the_facts_of_all_of_them(database: Database) -> None:
    retry_at = NOW + timedelta(hours=1)
    told = [
        event(EventKind.SUBMITTED, Stage.CHECK, metadata=Metadata(min_speakers=2, max_speakers=4, given_language="de")),
        event(
            EventKind.FINISHED,
            Stage.CHECK,
            metadata=Metadata(title="A talk", channel="Talks", duration_s=60, likely_language="nl"),
        ),
        event(EventKind.FINISHED, Stage.DOWNLOAD, numbers={"bytes": 1000.0}),
        event(EventKind.POSTPONED, code=Code.ENV_DISK_FULL, text="full", retry_at=retry_at),
    ]
    write_events(database, [(one, (7, number + 1)) for number, one in enumerate(told)])
    row = Catalog(database).videos([VIDEO])[VIDEO]
    assert (row.state, row.stage, row.error_code, row.retry_at) == ("postponed", "asr", "ENV_DISK_FULL", retry_at)
    assert (row.title, row.channel, row.duration_s) == ("A talk", "Talks", 60)
    assert (row.min_speakers, row.max_speakers) == (2, 4)
    assert (row.given_language, row.likely_language) == ("de", "nl")
    assert (row.figures, row.asked_at) == ({"download.bytes": 1000.0}, NOW)


def test_a_channel_has_a_language_if_nearly_all_of_several_recordings_have_it(database: Database) -> None:
    spoken = {"Talks": ["de"] * 3, "Two": ["de"] * 2, "Mixed": ["de"] * 3 + ["en"], "Mostly": ["nl"] * 10 + ["en"]}
    with database.transaction() as connection:
        for channel, names in spoken.items():
            for number, name in enumerate(names):
                connection.execute(
                    "INSERT INTO videos (video_id, channel, language, state) VALUES (%s, %s, %s, 'indexed')",
                    (f"{channel}{number:02}".rjust(11, "_"), channel, name),
                )
    assert Catalog(database).languages([*spoken, "Unknown"]) == {"Talks": "de", "Mostly": "nl"}


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
