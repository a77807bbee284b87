"""The connection to Postgres: a pool that checks its connections, with a deadline for each call.

A frozen server neither responds nor closes its connections, and the kernel keeps them alive. So every call has a
deadline of the client, after which its socket is shut down. Errors of the database are translated into codes here.
"""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

import psycopg
import psycopg.errors
from pgvector.psycopg import register_vector
from psycopg_pool import ConnectionPool, PoolTimeout

from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.text import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import SecretStr

    from ingest.embedder.settings import EmbedderSettings

CONNECT_TIMEOUT_S = 10
CHECK_TIMEOUT_S = 5.0
LIFETIME_S = 1800.0
UNAVAILABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.InsufficientPrivilege,  # of this role
    psycopg.errors.UndefinedTable,  # not restored, or not migrated yet
    psycopg.errors.ReadOnlySqlTransaction,  # a standby, or a provider that protects a full disk
    psycopg.errors.IdleInTransactionSessionTimeout,  # this process or the server was frozen
    psycopg.errors.InternalError_,  # an error inside the server, as the next two
    psycopg.errors.DataCorrupted,
    psycopg.errors.IndexCorrupted,
    PoolTimeout,
)

Connection = psycopg.Connection[tuple[object, ...]]


class Database:
    """A pool of connections to one database."""

    def __init__(self, url: SecretStr, *, password: SecretStr | None, size: int, timeout_s: float, name: str) -> None:
        self._timeout_s = timeout_s
        options = {
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": name,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": int(timeout_s * 1000),
            "options": f"-c statement_timeout={int(timeout_s * 1000)} -c idle_in_transaction_session_timeout=60000",
            **({"password": password.get_secret_value()} if password else {}),
        }
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            url.get_secret_value(),
            kwargs=options,
            min_size=1,
            max_size=size,
            max_lifetime=LIFETIME_S,
            timeout=CONNECT_TIMEOUT_S,
            check=_check,
            configure=_configure,
            open=False,
        )

    def open(self) -> Database:
        """Open the pool; raise ENV_DB_UNAVAILABLE when the server does not respond."""
        with translated():
            self._pool.open(wait=True, timeout=CONNECT_TIMEOUT_S)
        return self

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection inside a transaction that commits at the end of the block, within the deadline."""
        with (
            translated(),
            self._pool.connection() as connection,
            _deadline(connection, self._timeout_s),
            connection.transaction(),
        ):
            yield connection

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """Yield a connection without transaction and without deadline, for migrations and index builds."""
        with translated(), self._pool.connection() as connection:
            connection.autocommit = True
            try:
                connection.execute("SET statement_timeout = 0")
                yield connection
            finally:
                connection.execute("RESET statement_timeout")
                connection.autocommit = False


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
    ).open()


def _configure(connection: Connection) -> None:
    """Register the vector types on a new connection, if the extension is installed."""
    with _deadline(connection, CONNECT_TIMEOUT_S):
        found = connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'").fetchone()
        connection.commit()
        if found:
            register_vector(connection)
            connection.commit()


def _check(connection: Connection) -> None:
    """Raise when a connection is broken or does not respond in time; the pool then replaces it."""
    with _deadline(connection, CHECK_TIMEOUT_S):
        ConnectionPool.check_connection(connection)


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
    """Translate database errors into codes that tell a fault of the database from one of the video."""
    try:
        yield
    except psycopg.errors.DiskFull as error:
        raise IngestError(Code.ENV_DB_FULL, first_line(error)) from error
    except (psycopg.errors.DataError, psycopg.errors.IntegrityError) as error:
        raise IngestError(Code.BAD_SEGMENT, first_line(error)) from error
    except UNAVAILABLE as error:
        raise IngestError(Code.ENV_DB_UNAVAILABLE, first_line(error)) from error
