"""Postgres servers and databases that lack what the archive needs, or serve other applications too."""

from __future__ import annotations

import itertools
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from ingest.cli import console
from ingest.cli.app import app
from ingest.cli.operate.doctor import _servers
from ingest.cli.settings import AllSettings
from ingest.embedder.postgres.database import Database
from ingest.embedder.postgres.migrate import migrate, migrations
from ingest.embedder.postgres.server import TABLES, VIEWS
from ingest.embedder.postgres.vector_index import build_index
from ingest.embedder.tables.catalog import Catalog
from ingest.embedder.tables.ledger import write_events
from ingest.embedder.tables.store import Store
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.messages import EventKind
from tests.support.archive_rows import VIDEO, event, rows
from tests.support.command_line import CommandLine
from tests.support.postgres_servers import postgres_with_passwords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingest.cli.local.postgres.server import EmbeddedPostgres

AT_ONCE_S = 5.0
_numbers = itertools.count()


def opened(url: str, schema: str | None = None) -> Database:
    return Database(SecretStr(url), password=None, size=2, timeout_s=20.0, name="test", schema=schema).open()


def execute(url: str, *statements: LiteralString) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def empty_url(postgres: EmbeddedPostgres) -> Callable[..., str]:
    """A function that creates an empty database, with SQL after its name, and returns its address."""

    def create(more: LiteralString = "", **parameters: str) -> str:
        name = f"other_{next(_numbers)}"
        with psycopg.connect(postgres.url, dbname="postgres", autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} {}").format(sql.Identifier(name), sql.SQL(more)))
        return make_conninfo(postgres.url, dbname=name, **parameters)

    return create


# -- a server that lacks something ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain_server(program: Callable[[str, str], str]) -> Iterator[str]:
    """The Postgres of the distribution, without pgvector."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    found = installed[-1] if installed else Path(program("postgres", "postgresql"))
    with postgres_with_passwords(found.parent) as url:
        yield url


def test_a_server_without_pgvector_is_named_with_the_package_to_install(plain_server: str) -> None:
    with pytest.raises(ConfigurationError, match=r"Postgres \d+ has no pgvector: install .*postgresql-\d+-pgvector"):
        opened(plain_server)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"password": "wrong"}, "password authentication failed for user", id="password"),
        pytest.param({"dbname": "nothing"}, 'database "nothing" does not exist', id="database"),
        pytest.param({"host": "/nothing"}, "No such file or directory", id="socket"),
        pytest.param({"host": "127.0.0.1", "port": "1"}, "Connection refused", id="host"),
        pytest.param({"host": "nothing.invalid"}, "nothing.invalid", id="name of the host"),
    ],
)
def test_the_cause_of_a_failed_connection_is_said_at_once(
    plain_server: str, change: dict[str, str], reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    with pytest.raises(IngestError, match=reason) as refused:
        opened(make_conninfo(plain_server, **change))
    assert time.monotonic() - began < AT_ONCE_S
    assert refused.value.code is Code.ENV_DB_UNAVAILABLE
    assert "secret" not in str(refused.value)
    assert capfd.readouterr().err == ""


def test_a_server_that_is_being_restarted_is_waited_for(postgres: EmbeddedPostgres, database_url: str) -> None:
    name = ".s.PGSQL.5432"
    with tempfile.TemporaryDirectory() as folder:  # a short path, as sockets need
        appears = threading.Timer(0.5, Path(folder, name).symlink_to, [Path(postgres.url.partition("host=")[2], name)])
        appears.start()
        with opened(make_conninfo(database_url, host=folder)) as database:
            assert migrate(database) == []
        appears.join()


@pytest.mark.parametrize("command", [["migrate"], ["search", "x"], ["status"]])
def test_a_command_ends_with_the_one_line_of_what_is_missing(
    plain_server: str, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INGEST_DATABASE_URL", plain_server)
    monkeypatch.setenv("INGEST_NATS_URL", "nats://127.0.0.1:1")
    ended = CommandLine().invoke(app, command)
    assert ended.exit_code == console.FAILED
    (line,) = ended.output.splitlines()
    assert "has no pgvector: install" in line


def test_doctor_says_the_same(plain_server: str) -> None:
    wrong = {"database_url": plain_server, "nats_url": "nats://127.0.0.1:1"}
    finding = _servers(AllSettings.model_validate(wrong))
    assert finding.level == "problem"
    with pytest.raises(ConfigurationError) as refused:
        opened(plain_server)
    assert finding.found == str(refused.value)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_an_encoding_that_cannot_hold_every_letter_is_refused(empty_url: Callable[..., str], encoding: str) -> None:
    url = empty_url(f"ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(ConfigurationError, match=f"has the encoding {encoding}, and the archive needs UTF8"):
        opened(url)


def test_an_old_pgvector_is_refused_with_the_statement_that_updates_it(database_url: str) -> None:
    execute(database_url, "UPDATE pg_extension SET extversion = '0.6.2' WHERE extname = 'vector'")
    with pytest.raises(ConfigurationError, match=r"pgvector 0\.6\.2 is too old: .* ALTER EXTENSION vector UPDATE"):
        opened(database_url)


# -- rights ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def _plain_role(postgres: EmbeddedPostgres) -> None:
    execute(postgres.url, "CREATE ROLE plain LOGIN")


def statement_of(error: pytest.ExceptionInfo[Exception]) -> str:
    """Return the statement that an error asks an administrator to run."""
    return str(error.value).rpartition(": ")[2]


@pytest.mark.usefixtures("_plain_role")
def test_without_the_right_to_create_the_extension_one_statement_of_an_administrator_is_enough(
    empty_url: Callable[..., str], postgres: EmbeddedPostgres
) -> None:
    url = empty_url("OWNER plain", user="plain")
    with opened(url) as database:
        with pytest.raises(ConfigurationError, match=r'denied to create extension "vector".*administrator') as refused:
            migrate(database)
        assert statement_of(refused) == "CREATE EXTENSION IF NOT EXISTS vector;"
        _as_administrator(url, postgres, refused)
        assert migrate(database) == [name for name, _ in migrations()]
        Store(database, "test-model", 8).replace(rows(1, 3))


@pytest.mark.usefixtures("_plain_role")
@pytest.mark.parametrize("schema", [None, "talks"])
def test_without_the_right_to_create_tables_one_statement_of_an_administrator_is_enough(
    empty_url: Callable[..., str], postgres: EmbeddedPostgres, schema: str | None
) -> None:
    url = empty_url(user="plain")
    _run(url, postgres, "CREATE EXTENSION vector; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    with opened(url, schema) as database:
        with pytest.raises((ConfigurationError, IngestError), match="permission denied for") as refused:
            migrate(database)
        _as_administrator(url, postgres, refused)
        assert migrate(database) == [name for name, _ in migrations()]


def _as_administrator(url: str, postgres: EmbeddedPostgres, refused: pytest.ExceptionInfo[Exception]) -> None:
    _run(url, postgres, statement_of(refused))


def _run(url: str, postgres: EmbeddedPostgres, statement: str) -> None:
    database = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(postgres.url, dbname=str(database), autocommit=True) as connection:
        connection.execute(statement.encode())


# -- a database of others ----------------------------------------------------------------------------------------------

APPLICATION: tuple[LiteralString, ...] = (
    "CREATE TABLE migrations (id serial, migration text, batch int)",
    "INSERT INTO migrations (migration, batch) VALUES ('2014_10_12_000000_create_users_table', 1)",
    "CREATE TABLE videos (id serial, path text)",
)


@pytest.mark.parametrize("schema", [None, "talks"])
def test_an_archive_lives_beside_the_tables_of_another_application(
    empty_url: Callable[..., str], schema: str | None
) -> None:
    url = empty_url()
    execute(url, *APPLICATION)
    for expected in ([name for name, _ in migrations()], []):  # made, then found
        with opened(url, schema) as database:
            assert migrate(database) == expected
            assert database.schema == (schema or "ingest")
    with opened(url, schema) as database:
        Store(database, "test-model", 8).replace(rows(1, 3))
        assert len(Catalog(database).passages(VIDEO)) == 3
        assert build_index(database) == ["test-model"]
        assert build_index(database) == []
    with psycopg.connect(url) as connection:
        ours = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema or "ingest",))
        assert {name for (name,) in ours} == set(TABLES)
        assert connection.execute("SELECT count(*) FROM public.migrations").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM public.videos").fetchone() == (0,)


def test_a_schema_with_tables_of_another_application_is_refused(empty_url: Callable[..., str]) -> None:
    url = empty_url()
    execute(url, *APPLICATION)
    with pytest.raises(ConfigurationError, match=r"schema public has tables of another application \(migrations, vid"):
        opened(url, "public")


def test_pgvector_in_a_schema_of_its_own_is_found(empty_url: Callable[..., str]) -> None:
    url = empty_url()
    execute(url, "CREATE SCHEMA extensions", "CREATE EXTENSION vector SCHEMA extensions")
    with opened(url) as database:
        migrate(database)
        Store(database, "test-model", 8).replace(rows(1, 3))
        assert build_index(database) == ["test-model"]


def test_an_archive_moves_to_another_schema(empty_url: Callable[..., str]) -> None:
    url = empty_url()
    with opened(url) as database:
        migrate(database)
        Store(database, "test-model", 8).replace(rows(1, 3))
    execute(url, "CREATE SCHEMA talks")
    for name in (*TABLES, *VIEWS):
        execute(url, f"ALTER TABLE public.{name} SET SCHEMA talks")
    with opened(url, "talks") as database:
        assert migrate(database) == []
        write_events(database, [(event(EventKind.FINISHED).model_copy(update={"video_id": "another_one"}), (7, 1))])
        assert set(Catalog(database).videos([VIDEO, "another_one"])) == {VIDEO, "another_one"}


def test_an_archive_of_an_earlier_version_is_found_where_it_is(database_url: str) -> None:
    execute(database_url, "CREATE SCHEMA ingest", "CREATE SCHEMA postgres")  # of others, or made meanwhile
    with opened(database_url) as database:
        assert database.schema == "public"
        assert migrate(database) == []
    with pytest.raises(ConfigurationError, match="is in the schema public, not in INGEST_DATABASE_SCHEMA=talks"):
        opened(database_url, "talks")
