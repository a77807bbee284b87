"""The database of the embedded Postgres, made unless it is there, with a locale that folds the case of letters.

It has the locale C.UTF-8. An archive that was made under the locale C (where `lower` changes ASCII only) gets it later.

psycopg takes as long to import as Postgres to start: import this module when the server has been started.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from ingest.cli.local.postgres.data_folder import DATABASE
from ingest.shared.artifacts.files import flush_folder
from ingest.shared.errors import ConfigurationError
from ingest.shared.text import first_line

if TYPE_CHECKING:
    from pathlib import Path

CREATE = sql.SQL(
    "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' "
    "LOCALE 'C.UTF-8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
)
FOLDS_CASE = r"SELECT lower(U&'\041C\00C4I') = U&'\043C\00E4i'"  # a Cyrillic, a German and a Latin letter
SET_LOCALE = """
UPDATE pg_database SET datlocprovider = 'b', datlocale = 'C.UTF-8', datcollate = 'C.UTF-8', datctype = 'C.UTF-8',
    datcollversion = NULL
WHERE datname = %s
"""


def is_ready(maintenance_url: str) -> bool | None:
    """Make the database unless it is there; return None while the server does not accept connections."""
    try:
        with psycopg.connect(maintenance_url, autocommit=True, connect_timeout=5) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
            if not found:
                connection.execute(CREATE.format(sql.Identifier(DATABASE)))
    except psycopg.OperationalError:
        return None
    return True


def fold_case(folder: Path, maintenance_url: str, archive_url: str, log: Path) -> None:
    """Bring an archive that folds ASCII alone up to date; raise ConfigurationError where Postgres fails (see its log).

    A marker in `folder` lets the next start continue what was interrupted.
    """
    try:
        _fold_case(folder / "mending-case", maintenance_url, archive_url)
    except psycopg.Error as error:
        raise ConfigurationError(f"Postgres failed (log: {log}): {first_line(error)}") from error


def _fold_case(marker: Path, maintenance_url: str, archive_url: str) -> None:
    """Give the archive a locale that folds the case of all letters, if it has none; derive everything from it anew."""
    with psycopg.connect(archive_url) as connection:
        if connection.execute(FOLDS_CASE).fetchone() == (True,) and not marker.exists():
            return
    marker.touch()
    flush_folder(marker.parent)
    with psycopg.connect(maintenance_url, autocommit=True) as connection:
        connection.execute(SET_LOCALE, (DATABASE,))
    with psycopg.connect(archive_url, autocommit=True) as connection:
        connection.execute(sql.SQL("REINDEX DATABASE {}").format(sql.Identifier(DATABASE)))
        if connection.execute("SELECT to_regclass('segments') IS NOT NULL").fetchone() == (True,):
            connection.execute("UPDATE segments SET ts_config = ts_config")  # its words are derived from this column
    marker.unlink()
