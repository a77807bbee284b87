"""The connection to Postgres: a pool that checks its connections, with a deadline for each call.

A frozen server neither responds nor closes its connections, and the kernel keeps them alive. So every call has a
deadline of the client, after which its socket is shut down. Errors of the database are translated into codes here.

A pooler such as PgBouncer may give each transaction another session of the server. So nothing is kept in a session:
limits and search path are set for each transaction, statements are not prepared, and locks end with a transaction.
"""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import psycopg
import psycopg.errors
from pgvector.psycopg import register_vector
from psycopg import sql
from psycopg.types.datetime import TimestamptzLoader
from psycopg_pool import ConnectionPool, PoolTimeout

from ingest.embedder.postgres import address, server
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.text import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.abc import Buffer
    from pydantic import SecretStr

    from ingest.embedder.settings import EmbedderSettings

CONNECT_TIMEOUT_S = 10
CAUSE_TIMEOUT_S = 2
CHECK_TIMEOUT_S = 5.0
LIFETIME_S = 1800.0
WAITS_S = {  # by words of the error
    "the database system is": float(CONNECT_TIMEOUT_S),  # starting up, shutting down, in recovery mode ...
    "Connection refused": 2.0,
    "No such file or directory": 2.0,  # its socket
}
REPEAT_PAUSE_S = 0.2
IDLE_LIMIT_S = 60.0
LIMITS = """
SELECT set_config('statement_timeout', %s, true), set_config('idle_in_transaction_session_timeout', %s, true),
    CASE WHEN current_setting('server_version_num')::int >= 170000 THEN set_config('transaction_timeout', %s, true) END,
    set_config('search_path', %s, true), set_config('datestyle', 'ISO', true), set_config('timezone', 'UTC', true)
"""
UNAVAILABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.InsufficientPrivilege,  # of this role
    psycopg.errors.ReadOnlySqlTransaction,  # a standby, or a provider that protects a full disk
    psycopg.errors.IdleInTransactionSessionTimeout,  # this process or the server was frozen
    psycopg.errors.TransactionTimeout,  # the same, where a message of psycopg has disarmed it
    psycopg.errors.InternalError_,  # an error inside the server, as the next two
    psycopg.errors.DataCorrupted,
    psycopg.errors.IndexCorrupted,
)

REFUSED = (
    psycopg.errors.DataError,
    psycopg.errors.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,  # larger than a row, an index or a statement may be
)

Connection = psycopg.Connection[tuple[object, ...]]


class Database:
    """A pool of connections to one database. `schema` is where a new archive is made; see `server`."""

    def __init__(
        self,
        url: SecretStr,
        *,
        password: SecretStr | None,
        size: int,
        timeout_s: float,
        name: str,
        schema: str | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._wanted = schema
        self._path: list[str] = []
        self._place = server.Place(schema or server.OWN_SCHEMA, is_made=False)
        self._search_path = ""
        self._address = address.parameters(url, password)
        self._options: dict[str, Any] = {
            **self._address,
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": name,
            "client_encoding": "UTF8",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": int(timeout_s * 1000),
            "prepare_threshold": None,
        }
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            kwargs=self._options,
            min_size=1,
            max_size=size,
            max_lifetime=LIFETIME_S,
            timeout=CONNECT_TIMEOUT_S,
            check=_check,
            configure=self._configure,
            open=False,
        )

    def open(self) -> Database:
        """Open the pool; raise ENV_DB_UNAVAILABLE with the cause when it cannot connect.

        ConfigurationError is raised when the server lacks what the archive needs.
        """
        with translated():
            with self._connect() as connection, _deadline(connection, CONNECT_TIMEOUT_S):
                self._path = server.search_path(connection)
                self.locate(connection)
            self._pool.open(wait=True, timeout=CONNECT_TIMEOUT_S)
        return self

    def _connect(self) -> Connection:
        """Return a connection outside of the pool: its error has the cause, that of the pool only the time.

        A server that starts or recovers is waited for, and for a moment one that may be restarting.
        """
        began = time.monotonic()
        while True:
            try:
                return psycopg.connect(**self._options)
            except psycopg.OperationalError as error:
                patience_s = max((wait_s for words, wait_s in WAITS_S.items() if words in str(error)), default=0.0)
                if time.monotonic() - began >= patience_s:
                    raise IngestError(Code.ENV_DB_UNAVAILABLE, address.cause(error, self._address)) from None
            time.sleep(REPEAT_PAUSE_S)

    def locate(self, connection: Connection) -> tuple[server.Server, server.Place]:
        """Return the facts of the server and the place of the archive, which later transactions use.

        This is repeated in a migration, whose lock excludes others that would make an archive.
        """
        facts = server.read(connection)
        self._place = server.find(connection, self._wanted, self._path)
        path = [self._place.schema]
        if facts.vector_schema not in {None, self._place.schema}:
            path.append(str(facts.vector_schema))
        self._search_path = sql.SQL(", ").join(map(sql.Identifier, path)).as_string(connection)
        return facts, self._place

    def look(self) -> tuple[server.Server, server.Place]:
        """Return the facts of the server and the place of the archive."""
        with self.transaction() as connection:
            return self.locate(connection)

    @property
    def schema(self) -> str:
        """Return the schema of the archive."""
        return self._place.schema

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """Yield a connection of the pool; raise ENV_DB_UNAVAILABLE with the cause when it gets none.

        The error of the pool says only how long it has waited.
        """
        try:
            with self._pool.connection() as connection:
                yield connection
        except PoolTimeout as error:
            raise IngestError(Code.ENV_DB_UNAVAILABLE, self._cause_of_timeout()) from error

    def _cause_of_timeout(self) -> str:
        try:
            psycopg.connect(**{**self._options, "connect_timeout": CAUSE_TIMEOUT_S}).close()
        except psycopg.OperationalError as error:
            return address.cause(error, self._address)
        return "all connections of this process are in use"

    @contextmanager
    def transaction(self, at_most_s: float = math.inf) -> Iterator[Connection]:
        """Yield a connection inside a transaction that commits at the end of the block, within the deadline."""
        timeout_s = min(at_most_s, self._timeout_s)
        with (
            translated(),
            self._connection() as connection,
            _deadline(connection, self._timeout_s),
            connection.transaction(),
        ):
            self.limit(connection, timeout_s)
            yield connection

    @contextmanager
    def long_transaction(self) -> Iterator[Connection]:
        """Yield a connection inside a transaction without deadline, for migrations."""
        with translated(), self._connection() as connection, connection.transaction():
            self.limit(connection, 0)
            yield connection

    def limit(self, connection: Connection, timeout_s: float) -> None:
        """Set the limits and the search path of a transaction; a `timeout_s` of 0 is none."""
        whole_s = timeout_s and self._timeout_s + IDLE_LIMIT_S
        limits_ms = [str(int(limit_s * 1000)) for limit_s in (timeout_s, IDLE_LIMIT_S, whole_s)]
        connection.execute(LIMITS, (*limits_ms, self._search_path))

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """Yield a connection without transaction and without deadline, for index builds.

        Names of tables and types have to be complete. Behind a pooler, the session and its limit are not ours.
        """
        with translated(), self._connection() as connection:
            connection.autocommit = True
            is_ours = is_direct(connection)
            try:
                if is_ours:
                    connection.execute("SET statement_timeout = 0")
                yield connection
            finally:
                if is_ours:
                    connection.execute("RESET statement_timeout")
                connection.autocommit = False

    def renew(self) -> None:
        """Replace the connections: those opened before the extension was created do not have its types."""
        self._pool.drain()

    def _configure(self, connection: Connection) -> None:
        """Register the types of times and, if the extension is installed, of vectors on a new connection."""
        connection.adapters.register_loader("timestamptz", _NearestMoment)
        with _deadline(connection, CONNECT_TIMEOUT_S), connection.transaction():
            self.limit(connection, CONNECT_TIMEOUT_S)
            if connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'").fetchone():
                register_vector(connection)


def connect(settings: EmbedderSettings, *, size: int, name: str) -> Database:
    """Open the database that the settings name."""
    if settings.database_url is None:
        raise ConfigurationError("INGEST_DATABASE_URL is not set: the archive is in Postgres")
    return Database(
        settings.database_url,
        password=settings.database_password,
        size=size,
        timeout_s=settings.database_timeout_s,
        name=name,
        schema=settings.database_schema,
    ).open()


def is_direct(connection: Connection) -> bool:
    """Return whether the connection is to the server itself: behind a pooler, a session is not ours."""
    return connection.execute("SELECT pg_backend_pid()").fetchone() == (connection.info.backend_pid,)


def _check(connection: Connection) -> None:
    """Raise when a connection is broken or does not respond in time; the pool then replaces it."""
    with _deadline(connection, CHECK_TIMEOUT_S):
        ConnectionPool.check_connection(connection)


class _NearestMoment(TimestamptzLoader):
    """Reads a time; one that Python cannot hold becomes the nearest that it can: one row must not end a search."""

    def load(self, data: Buffer) -> datetime:
        try:
            return super().load(data)
        except psycopg.DataError:
            is_early = bytes(data).endswith(b"BC") or bytes(data) == b"-infinity"
            return datetime(1, 1, 1, tzinfo=UTC) if is_early else datetime(9999, 12, 31, tzinfo=UTC)


@contextmanager
def _deadline(connection: Connection, seconds: float) -> Iterator[None]:
    """Shut the socket down after `seconds`, so that the call that waits on it fails."""
    handle = socket.socket(fileno=os.dup(connection.fileno()))

    def shut() -> None:
        with suppress(OSError):  # the server has closed it meanwhile
            handle.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        handle.close()


@contextmanager
def translated() -> Iterator[None]:
    """Translate database errors into codes that separate faults of the database from those of a video."""
    try:
        yield
    except psycopg.errors.DiskFull as error:
        raise IngestError(Code.ENV_DB_FULL, first_line(error)) from error
    except REFUSED as error:
        raise IngestError(Code.BAD_SEGMENT, first_line(error)) from error
    except psycopg.errors.UndefinedTable as error:  # not restored, or not migrated yet
        raise IngestError(
            Code.ENV_DB_UNAVAILABLE, f"{first_line(error)} (`ingest migrate` makes the tables of a new archive)"
        ) from error
    except UNAVAILABLE as error:
        raise IngestError(Code.ENV_DB_UNAVAILABLE, first_line(error)) from error
