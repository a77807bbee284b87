"""Builds the approximate index (HNSW, cosine) of each model's vectors: one build at a time, with enough memory.

A build that does not fit in its memory takes many times longer. A parallel build takes its memory from /dev/shm, which
is small in many containers: the build is then repeated with one process.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from ingest.embedder.postgres.database import is_direct
from ingest.embedder.postgres.index_state import LOCK, index_name, missing, running_build
from ingest.shared.errors import Code, IngestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.embedder.postgres.database import Connection, Database
    from ingest.embedder.postgres.index_state import Build, MissingIndex

EF_CONSTRUCTION = 40  # neighbours looked at for each vector that is added; 64, the default, takes half as long again
GRAPH_BYTES = 640  # of each passage, beside its vector
# effective_cache_size says how much memory the machine has for the database; maintenance_work_mem is what an
# administrator grants in any case. Both in kilobytes.
GRANTED = """
SELECT (SELECT setting::bigint * 8 FROM pg_settings WHERE name = 'effective_cache_size'),
    (SELECT setting::bigint FROM pg_settings WHERE name = 'maintenance_work_mem')
"""
CREATE = """
CREATE INDEX CONCURRENTLY {index} ON {archive}.embeddings USING hnsw
((embedding::{vector}.halfvec({dimensions})) {vector}.halfvec_cosine_ops)
WITH (ef_construction = {ef_construction}) WHERE model = {model}
"""
OTHER = "another process builds the vector index: `ingest status` says how far it is"
ANALYZE = "ANALYZE {archive}.videos, {archive}.segments, {archive}.embeddings"


def cancel_build(database: Database, build: Build) -> None:
    """End a build; what it leaves is removed by the next one."""
    with database.transaction() as connection:
        connection.execute("SELECT pg_cancel_backend(%s)", (build.process,))


def build_index(database: Database, least: int = 0) -> list[str]:
    """Build the index of every model with `least` passages that has none, or an invalid one; return the models.

    Raise ENV_DB_UNAVAILABLE while another process builds it.
    """
    if running_build(database):
        raise IngestError(Code.ENV_DB_UNAVAILABLE, OTHER)
    with database.session() as connection, _alone(connection, database.schema):
        server, place = database.locate(connection)
        archive = sql.Identifier(place.schema)
        due = [one for one in missing(connection, place.schema) if one.passages >= least]
        for one in due:
            _build(connection, archive, sql.Identifier(server.vector_schema or place.schema), one)
        if due:
            connection.execute(sql.SQL(ANALYZE).format(archive=archive))
    return [one.model for one in due]


def drop_index(database: Database, model: str) -> None:
    """Remove the index of a model, if it has one."""
    with database.transaction() as connection:
        _, place = database.locate(connection)
        name = sql.Identifier(place.schema, index_name(model))
        connection.execute(sql.SQL("DROP INDEX IF EXISTS {}").format(name))


def memory_kb(passages: int, dimensions: int, cache_kb: int, granted_kb: int) -> int:
    """Return the memory of a build: what its graph takes, at most a quarter of the cache, at least what is granted."""
    needed_kb = passages * (2 * dimensions + GRAPH_BYTES) // 1024
    return max(granted_kb, min(needed_kb, cache_kb // 4))


@contextmanager
def _alone(connection: Connection, schema: str) -> Iterator[None]:
    """Hold the lock of the builds. It is not waited for: a build waits for the statements of all others to end.

    Behind a pooler a session, and so its lock, is not ours.
    """
    if not is_direct(connection):
        yield
        return
    key = (LOCK, schema)
    (is_ours,) = connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", key).fetchone() or (False,)
    if not is_ours:
        raise IngestError(Code.ENV_DB_UNAVAILABLE, OTHER)
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", key)


def _build(connection: Connection, archive: sql.Identifier, vector: sql.Identifier, one: MissingIndex) -> None:
    index = sql.Identifier(index_name(one.model))
    drop = sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}.{}").format(archive, index)
    create = sql.SQL(CREATE).format(
        index=index,
        archive=archive,
        vector=vector,
        dimensions=sql.Literal(one.dimensions),
        ef_construction=sql.Literal(EF_CONSTRUCTION),
        model=sql.Literal(one.model),
    )
    with _memory(connection, one):
        connection.execute(drop)
        try:
            connection.execute(create)
        except (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory):
            if not is_direct(connection):
                raise
            connection.execute("SET max_parallel_maintenance_workers = 0")
            connection.execute(drop)
            connection.execute(create)


@contextmanager
def _memory(connection: Connection, one: MissingIndex) -> Iterator[None]:
    """Set the memory of the build for this session; behind a pooler, that of the server stays."""
    if not is_direct(connection):
        yield
        return
    cache_kb, granted_kb = connection.execute(GRANTED).fetchone() or (0, 0)
    wanted_kb = memory_kb(one.passages, one.dimensions, int(str(cache_kb)), int(str(granted_kb)))
    connection.execute("SELECT set_config('maintenance_work_mem', %s, false)", (f"{wanted_kb}kB",))
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("RESET maintenance_work_mem")
            connection.execute("RESET max_parallel_maintenance_workers")
