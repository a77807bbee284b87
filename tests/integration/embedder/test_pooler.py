"""An archive behind PgBouncer in transaction mode: each transaction may use another session of the server."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from ingest.embedder.postgres.database import Database
from ingest.embedder.postgres.migrate import migrate, migrations
from ingest.embedder.postgres.vector_index import build_index
from ingest.embedder.tables.catalog import Catalog
from ingest.embedder.tables.ledger import write_events
from ingest.embedder.tables.store import Store
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import EventKind
from tests.support.archive_rows import VIDEO, event, rows
from tests.support.postgres_servers import pooler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingest.cli.local.postgres.server import EmbeddedPostgres


@pytest.fixture(scope="module")
def sockets(postgres: EmbeddedPostgres, program: Callable[[str, str], str]) -> Iterator[str]:
    server = postgres.url.partition("host=")[2]
    with pooler(program("pgbouncer", "pgbouncer"), server) as folder:
        yield folder


@pytest.fixture
def url(sockets: str, database_url: str) -> str:
    return make_conninfo(database_url, host=sockets, port=6432)


def opened(url: str, timeout_s: float = 20.0) -> Database:
    return Database(SecretStr(url), password=None, size=4, timeout_s=timeout_s, name="test").open()


@pytest.fixture
def pooled(url: str) -> Iterator[Database]:
    with opened(url) as database:
        yield database


def test_an_archive_is_made_once_by_many_at_the_same_time(postgres: EmbeddedPostgres, sockets: str) -> None:
    with psycopg.connect(postgres.url, dbname="postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE pooled")
    url = make_conninfo(postgres.url, host=sockets, port=6432, dbname="pooled")
    with opened(url) as one, opened(url) as other, ThreadPoolExecutor(6) as callers:
        applied = [name for names in callers.map(migrate, [one, other] * 3) for name in names]
    assert sorted(applied) == [name for name, _ in migrations()]


def test_events_rows_and_indexes_are_written_by_several_sessions(pooled: Database) -> None:
    store = Store(pooled, "test-model", 8)

    def write(generation: int) -> None:
        for number in range(10):
            write_events(pooled, [(event(EventKind.STARTED), (generation, number + 1))])
        store.replace(rows(generation, 20))

    with ThreadPoolExecutor(4) as callers:
        done = [callers.submit(write, generation + 1) for generation in range(4)]
    errors = [error for call in done if (error := call.exception()) is not None]
    assert {getattr(error, "code", error) for error in errors} <= {Code.SUPERSEDED}
    assert len(Catalog(pooled).passages(VIDEO)) == 20
    assert build_index(pooled) == ["test-model"]
    assert build_index(pooled) == []


def test_limits_hold_for_a_transaction_and_are_not_left_in_the_session(url: str) -> None:
    with opened(url, timeout_s=1.0) as database:
        began = time.monotonic()
        with pytest.raises(IngestError) as ended, database.transaction() as connection:
            connection.execute("SELECT pg_sleep(20)")
        assert ended.value.code is Code.ENV_DB_UNAVAILABLE
        assert time.monotonic() - began < 10
        build_index(database)
        with psycopg.connect(url, prepare_threshold=None) as other:
            names = ("statement_timeout", "idle_in_transaction_session_timeout", "search_path")
            left = [other.execute("SELECT current_setting(%s)", (name,)).fetchone() for name in names]
    assert left == [("0",), ("0",), ('"$user", public',)]
