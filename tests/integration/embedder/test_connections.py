"""Connections to a real Postgres that ends, hangs or refuses work."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, LiteralString

import psycopg
import pytest
from pydantic import SecretStr

from ingest.embedder.postgres.database import Database
from ingest.embedder.tables.catalog import Catalog
from ingest.embedder.tables.store import Store
from ingest.shared.errors import Code, IngestError
from tests.support.archive_rows import execute, rows
from tests.support.stopping import stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.cli.local.postgres.server import EmbeddedPostgres


def test_an_unavailable_database_does_not_count_against_the_video(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    Store(database, "test-model", 8).replace(rows(1, 2))
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


@pytest.mark.long
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


def test_a_broken_connection_is_replaced_without_a_restart(database: Database, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'")
    assert Catalog(database).totals() == []


def test_a_transaction_of_a_frozen_process_ends_also_after_many_rows_at_once(database: Database) -> None:
    """`executemany` ends with a message that disarms the limit of idle transactions (psycopg 3.3, in pipelines)."""
    with database.transaction() as connection:
        connection.cursor().executemany("SELECT %s", [(1,), (2,)])
        row = connection.execute(
            "SELECT current_setting('server_version_num')::int >= 170000, current_setting('transaction_timeout', true)"
        ).fetchone()
    assert row is not None
    assert row[1] == ("80s" if row[0] else None)
