"""Migrates the database to the present schema: forward only, under a lock, repeatable.

Each `migrations/*.sql` runs once, in a transaction of its own, and is recorded with its checksum. `rights.sql` runs
every time: it grants the existing roles of the services the rights that they need, and no others.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import TYPE_CHECKING

from psycopg import sql

from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from ingest.embedder.database import Database

FILES = resources.files("ingest.embedder")
LOCK = 7_402_615  # an arbitrary number
TABLE_EXISTS = "SELECT to_regclass('migrations') IS NOT NULL"  # needs no right to create tables
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
    with database.session() as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        try:
            if connection.execute(TABLE_EXISTS).fetchone() != (True,):
                connection.execute(TABLE)
            known = {str(name): sha256 for name, sha256 in connection.execute(APPLIED)}
            ours = migrations()
            unknown = known.keys() - {name for name, _ in ours}
            if unknown:
                raise ConfigurationError(
                    f"the database is newer than this program: it has {', '.join(sorted(unknown))}"
                )
            for name, text in ours:
                digest = hashlib.sha256(text.encode()).hexdigest()
                if name not in known:
                    with connection.transaction():
                        connection.execute(text.encode())
                        connection.execute(RECORD, (name, digest))
                    applied.append(name)
                elif known[name] != digest:
                    raise ConfigurationError(f"migration {name} was applied in another version than this program's")
            connection.execute((FILES / "rights.sql").read_text().encode())
        finally:
            connection.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
    return applied


def build_index(database: Database) -> list[str]:
    """Build the approximate index (HNSW, cosine) of every model that has none; return the models."""
    built = []
    with database.session() as connection:
        for model, dimensions in connection.execute("SELECT model, dimensions FROM models").fetchall():
            name = index_name(str(model))
            if connection.execute(
                "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND indisvalid", (name,)
            ).fetchone():
                continue
            connection.execute(sql.SQL("DROP INDEX IF EXISTS {}").format(sql.Identifier(name)))
            connection.execute(
                sql.SQL(
                    "CREATE INDEX CONCURRENTLY {} ON embeddings USING hnsw "
                    "((embedding::halfvec({})) halfvec_cosine_ops) WHERE model = {}"
                ).format(sql.Identifier(name), sql.Literal(dimensions), sql.Literal(model))
            )
            built.append(str(model))
    return built


def index_name(model: str) -> str:
    """Return the name of a model's index."""
    return f"embeddings_hnsw_{hashlib.sha256(model.encode()).hexdigest()[:12]}"
