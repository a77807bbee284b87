"""Checks a Postgres server for what the archive needs, and finds the schema of its tables.

An archive is found in the schema that has its tables, wherever an earlier version made it. A new archive is made in
INGEST_DATABASE_SCHEMA; without that setting in the first schema of the search path, as `public`, unless another
application has tables of the same names there: then in the schema `ingest`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg import Connection

OLDEST_SERVER = 13
OLDEST_VECTOR = (0, 8)
ENCODING = "UTF8"
OWN_SCHEMA = "ingest"
TABLES = (
    *("migrations", "videos", "segments", "models", "embeddings", "events_set_aside", "forgotten"),
    *("corrections", "changes", "speaker_statements", "vocabulary"),
)
VIEWS = ("archive_recordings", "archive_passages", "archive_speakers")
MARK = {"name", "sha256", "applied_at"}  # columns of our table `migrations`

SEARCH_PATH = "SELECT current_schemas(false)::text[]"
FACTS = """
SELECT current_setting('server_version_num')::int / 10000, current_setting('server_encoding'),
    current_database()::text, current_user::text,
    (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
    (SELECT default_version FROM pg_available_extensions WHERE name = 'vector'),
    (SELECT nspname::text FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
        WHERE extname = 'vector'),
    (SELECT array_agg(nspname::text) FROM pg_namespace)
"""
FOUND_TABLES = """
SELECT nspname::text, relname::text, array_agg(attname::text) FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relname = ANY(%s) AND relkind IN ('r', 'p', 'v', 'm', 'f') AND attnum > 0 GROUP BY nspname, relname
"""


@dataclass(frozen=True)
class Server:
    """A server and a database on it. `vector` is the installed version of pgvector, `offered` the one it offers."""

    version: int
    encoding: str
    database: str
    role: str
    vector: str | None
    offered: str | None
    vector_schema: str | None
    schemas: Sequence[str]


@dataclass(frozen=True)
class Place:
    """The schema of the archive; `is_made` says whether its tables are there."""

    schema: str
    is_made: bool


def search_path(connection: Connection[Any]) -> list[str]:
    """Return the schemas that a new session searches."""
    (schemas,) = connection.execute(SEARCH_PATH).fetchall()[0]
    return list(schemas)


def read(connection: Connection[Any]) -> Server:
    """Return the facts of a server; raise ConfigurationError when it lacks what the archive needs."""
    server = Server(*connection.execute(FACTS).fetchall()[0])
    reason = problem(server)
    if reason:
        raise ConfigurationError(reason)
    return server


def problem(server: Server) -> str | None:
    """Return what a server lacks, and what to do about it, or None."""
    if server.version < OLDEST_SERVER:
        return f"Postgres {server.version} is too old: the archive needs Postgres {OLDEST_SERVER} or newer"
    if server.encoding != ENCODING:
        return (
            f"the database {server.database} has the encoding {server.encoding}, and the archive needs {ENCODING}: "
            f"create another one (CREATE DATABASE name ENCODING '{ENCODING}' TEMPLATE template0), and name it in "
            "INGEST_DATABASE_URL"
        )
    return _problem_of_vector(server)


def _problem_of_vector(server: Server) -> str | None:
    wanted = ".".join(map(str, OLDEST_VECTOR))
    offers_enough = server.offered is not None and _numbers(server.offered) >= OLDEST_VECTOR
    install = f"install pgvector {wanted} or newer on the server (package postgresql-{server.version}-pgvector)"
    if server.vector is None and server.offered is None:
        return f"Postgres {server.version} has no pgvector: {install}"
    if server.vector is None and not offers_enough:
        return f"pgvector {server.offered} is too old: {install}"
    if server.vector is not None and _numbers(server.vector) < OLDEST_VECTOR:
        update = f"in the database {server.database}, its owner runs: ALTER EXTENSION vector UPDATE"
        return f"pgvector {server.vector} is too old: {update if offers_enough else f'{install}; then, {update}'}"
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def find(connection: Connection[Any], wanted: str | None, path: Sequence[str]) -> Place:
    """Return where the archive is, or is to be made. `path` is the search path of a new session."""
    tables: dict[str, dict[str, set[str]]] = {}
    for schema, table, columns in connection.execute(FOUND_TABLES, ([*TABLES, *VIEWS],)):
        tables.setdefault(schema, {})[table] = set(columns)
    return place(tables, wanted, path)


def place(tables: Mapping[str, Mapping[str, set[str]]], wanted: str | None, path: Sequence[str]) -> Place:
    """Return the schema of the archive, given the tables (with their columns) that have its names in each schema."""
    usual = [*path, OWN_SCHEMA]
    made = [schema for schema in usual if _is_archive(tables.get(schema, {}))]
    if wanted is None:
        if made:
            return Place(made[0], is_made=True)
        free = [schema for schema in (*path[:1], OWN_SCHEMA) if schema not in tables]
        if not free:
            raise ConfigurationError(_clash(OWN_SCHEMA, tables))
        return Place(free[0], is_made=False)
    if _is_archive(tables.get(wanted, {})):
        return Place(wanted, is_made=True)
    if made:
        raise ConfigurationError(
            f"the archive of this database is in the schema {made[0]}, not in INGEST_DATABASE_SCHEMA={wanted}: "
            "unset INGEST_DATABASE_SCHEMA, or move the tables (docs/commands.md)"
        )
    if wanted in tables:
        raise ConfigurationError(_clash(wanted, tables))
    return Place(wanted, is_made=False)


def _is_archive(tables: Mapping[str, set[str]]) -> bool:
    return tables.get("migrations", set()) >= MARK


def _clash(schema: str, tables: Mapping[str, Mapping[str, set[str]]]) -> str:
    return (
        f"the schema {schema} has tables of another application ({', '.join(sorted(tables[schema]))}): "
        "set INGEST_DATABASE_SCHEMA to the name of a schema for the archive alone"
    )
