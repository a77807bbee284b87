"""Migrates the database to the present schema: forward only, under a lock, repeatable.

Each `migrations/*.sql` runs once, in a transaction of its own, and is recorded with its checksum. `rights.sql` runs
every time: it grants the existing roles of the services the rights that they need, and no others.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.text import first_line

if TYPE_CHECKING:
    from ingest.embedder.postgres.database import Connection, Database
    from ingest.embedder.postgres.server import Place, Server

FILES = resources.files("ingest.embedder.postgres")
LOCK = 7_402_615  # an arbitrary number
TABLE = """
CREATE TABLE migrations (
    name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
)
"""
APPLIED = "SELECT name, sha256 FROM migrations"
RECORD = "INSERT INTO migrations (name, sha256) VALUES (%s, %s)"


def migrations() -> list[tuple[str, str]]:
    """Return (name, SQL) of every migration, in order."""
    folder = FILES / "migrations"
    return sorted((file.name, file.read_text()) for file in folder.iterdir() if file.name.endswith(".sql"))


def migrate(database: Database) -> list[str]:
    """Apply the missing migrations and return their names.

    Raise ConfigurationError when the database has a migration that is not one of this program's.
    """
    applied = []
    while (name := _apply_next(database)) is not None:
        applied.append(name)
    if applied:
        database.renew()
    return applied


def _apply_next(database: Database) -> str | None:
    """Apply the first missing migration and return its name, or None when there is none. The lock ends with it."""
    with database.long_transaction() as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        _prepare(database, connection)
        known = _known(connection)
        for name, text in migrations():
            if name not in known:
                connection.execute(text.encode())
                connection.execute(RECORD, (name, hashlib.sha256(text.encode()).hexdigest()))
                return name
        connection.execute((FILES / "rights.sql").read_text().encode())
    return None


def _prepare(database: Database, connection: Connection) -> None:
    """Create schema, extension and table of migrations of a new archive."""
    server, place = database.locate(connection)
    if place.schema not in server.schemas:
        statement = sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(place.schema))
        right = statement + sql.SQL(" AUTHORIZATION {}").format(sql.Identifier(server.role))
        _create(connection, server, statement, right.as_string(connection))
    if server.vector is None:
        statement = sql.SQL("CREATE EXTENSION vector SCHEMA {}").format(
            sql.Identifier("public" if "public" in server.schemas else place.schema)
        )
        _create(connection, server, statement, "CREATE EXTENSION IF NOT EXISTS vector")
        database.locate(connection)
    database.limit(connection, 0)  # with the schema that was found or made
    if not place.is_made:
        _create_table(connection, server, place)


def _create_table(connection: Connection, server: Server, place: Place) -> None:
    """Create the table of migrations. A service without that right waits until the owner has migrated."""
    try:
        connection.execute(TABLE)
    except psycopg.errors.InsufficientPrivilege as error:
        raise IngestError(
            Code.ENV_DB_UNAVAILABLE,
            f"{first_line(error)}: `ingest migrate` makes the archive as another role than {server.role}, or after an "
            f"administrator has run, in the database {server.database}: GRANT CREATE ON SCHEMA {place.schema} TO "
            f"{server.role};",
        ) from error


def _create(connection: Connection, server: Server, statement: sql.Composed, by_administrator: str) -> None:
    """Create a schema or an extension; without that right, say what an administrator has to run."""
    try:
        connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"{first_line(error)} (role {server.role}): "
            f"an administrator runs, in the database {server.database}: {by_administrator};"
        ) from error


def _known(connection: Connection) -> set[str]:
    """Return the names of the applied migrations; raise ConfigurationError for one that this program does not have."""
    known = {str(name): sha256 for name, sha256 in connection.execute(APPLIED)}
    ours = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in migrations()}
    unknown = known.keys() - ours.keys()
    if unknown:
        raise ConfigurationError(f"the database is newer than this program: it has {', '.join(sorted(unknown))}")
    for name in ours.keys() & known.keys():
        if known[name] != ours[name]:
            raise ConfigurationError(f"migration {name} was applied in another version than this program's")
    return set(known)
