"""A database that goes away while a command has it open: the error names the cause, and not how long was waited."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from ingest.embedder.postgres import database as module
from ingest.embedder.postgres.database import Database
from ingest.shared.errors import Code, IngestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.cli.local.postgres.server import EmbeddedPostgres

SOCKET = ".s.PGSQL.5432"
END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lost'"


@pytest.fixture
def socket(postgres: EmbeddedPostgres) -> Iterator[Path]:
    """A link to the socket of Postgres, in a folder whose path is as short as sockets need."""
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, SOCKET)
        link.symlink_to(Path(postgres.url.partition("host=")[2], SOCKET))
        yield link


@pytest.fixture
def opened(socket: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(module, "CONNECT_TIMEOUT_S", 1)
    url = SecretStr(make_conninfo(database_url, host=str(socket.parent)))
    with Database(url, password=None, size=1, timeout_s=5.0, name="lost").open() as database:
        yield database


def test_the_cause_of_a_lost_connection_is_said(opened: Database, socket: Path, database_url: str) -> None:
    with opened.transaction() as connection:
        connection.execute("SELECT 1")
    socket.unlink()
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute(END)
    with pytest.raises(IngestError, match="No such file or directory") as lost, opened.transaction():
        pass
    assert lost.value.code is Code.ENV_DB_UNAVAILABLE
    assert "sec" not in lost.value.message


def test_a_pool_that_is_in_use_is_said(opened: Database) -> None:
    with (
        opened.transaction(),
        pytest.raises(IngestError, match="all connections of this process are in use"),
        opened.transaction(),
    ):
        pass
