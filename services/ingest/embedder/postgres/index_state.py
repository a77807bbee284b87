"""Which vector indexes are missing, and whether one is being built. It changes nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql

from ingest.embedder.postgres.database import is_direct

if TYPE_CHECKING:
    from ingest.embedder.postgres.database import Connection, Database

LARGE = 50_000  # passages: a search without the index reads the vectors of all
LOCK = 7_402_616  # an arbitrary number, with the archive's schema the key of the lock of the builds
IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(quote_ident(%s) || '.' || %s)"
MODELS = "SELECT model, dimensions FROM {archive}.models ORDER BY model"
IS_ANALYZED = "SELECT reltuples >= 0 FROM pg_class WHERE oid = to_regclass(quote_ident(%s) || '.embeddings')"
ESTIMATE = "EXPLAIN (FORMAT JSON) SELECT FROM {archive}.embeddings WHERE model = %s"
COUNT = "SELECT count(*) FROM {archive}.embeddings WHERE model = %s"
IS_OWNER = """
SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass(quote_ident(%s) || '.embeddings')
"""
# A role sees how far the builds of other roles are only with the right to: the lock of a build is seen by all.
BUILDING = """
SELECT pid, blocks_done, blocks_total FROM pg_stat_progress_create_index
WHERE relid = to_regclass(quote_ident(%(schema)s) || '.embeddings')
UNION ALL
SELECT pid, 0, 0 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid::bigint = %(lock)s AND objid::bigint = hashtext(%(schema)s)::bigint & 4294967295
LIMIT 1
"""


@dataclass(frozen=True)
class MissingIndex:
    """A model whose vectors, about one a passage, have no index, or an invalid one that a broken build has left."""

    model: str
    dimensions: int
    passages: int
    is_invalid: bool


@dataclass(frozen=True)
class Build:
    """An index that is being built: the process of the server, and how much of the table it has read, from 0 to 1."""

    process: int
    done: float


def missing_indexes(database: Database) -> list[MissingIndex]:
    """Return the models without a valid index."""
    with database.transaction() as connection:
        _, place = database.locate(connection)
        return missing(connection, place.schema)


def missing(connection: Connection, schema: str) -> list[MissingIndex]:
    """Return the models without a valid index, of the archive in a schema."""
    archive = sql.Identifier(schema)
    models: list[Any] = connection.execute(sql.SQL(MODELS).format(archive=archive)).fetchall()
    found = []
    for model, dimensions in models:
        (is_valid,) = connection.execute(IS_VALID, (schema, index_name(model))).fetchone() or (None,)
        if not is_valid:
            passages = _passages(connection, schema, model)
            found.append(MissingIndex(model, dimensions, passages, is_invalid=is_valid is False))
    return found


def running_build(database: Database) -> Build | None:
    """Return the build that runs now, of this command or another."""
    with database.transaction() as connection:
        row = connection.execute(BUILDING, {"schema": database.schema, "lock": LOCK}).fetchone()
    if row is None:
        return None
    process, done, total = (int(str(value or 0)) for value in row)
    return Build(process, done / total if total else 0.0)


def may_build(database: Database) -> bool:
    """Return whether this role may build an index, and whether no pooler is between: its sessions hold no lock."""
    with database.transaction() as connection:
        (is_owner,) = connection.execute(IS_OWNER, (database.schema,)).fetchone() or (False,)
        return bool(is_owner) and is_direct(connection)


def index_name(model: str) -> str:
    """Return the name of a model's index."""
    return f"embeddings_hnsw_{hashlib.sha256(model.encode()).hexdigest()[:12]}"


def _passages(connection: Connection, schema: str, model: str) -> int:
    """Return the number of a model's vectors: by the statistics of the server, where it has any.

    Counting a million vectors takes seconds.
    """
    archive = sql.Identifier(schema)
    (is_analyzed,) = connection.execute(IS_ANALYZED, (schema,)).fetchone() or (False,)
    if is_analyzed:
        plan: Any = connection.execute(sql.SQL(ESTIMATE).format(archive=archive), (model,)).fetchone()
        return int(plan[0][0]["Plan"]["Plan Rows"])
    (passages,) = connection.execute(sql.SQL(COUNT).format(archive=archive), (model,)).fetchone() or (0,)
    return int(str(passages))
