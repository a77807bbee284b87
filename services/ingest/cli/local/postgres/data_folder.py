"""The data folder of the embedded Postgres: made whole or not at all.

`initdb` works in `data.new`, which is renamed to `data` at its end. So `data` never holds half a cluster, whatever
ends this process. Earlier versions worked in `data` itself: half a cluster of theirs has no database of a user yet, so
it is made anew.

It has the locale C.UTF-8, whatever the environment of the first command says.
"""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.cli.local import processes
from ingest.cli.local.postgres.user import OpenFolder, owner_of
from ingest.shared.artifacts.files import flush_folder
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

DATABASE = "ingest"
INIT_LIMIT_S = 300.0
FIRST_USER_OID = 16384  # databases with a lower number are those of initdb
PARTS = ("pg_", "PG_", "postgresql.", "postmaster.")
FOLDERS = {"base", "global", "log", "current_logfiles", ".handle_pids.json"}
LOCALE = ("--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


@dataclass(frozen=True)
class Installation:
    """An installed Postgres: its programs, its major version, and the user that it runs as (None: as this process)."""

    programs: Path
    version: int
    user: str | None


def ensure(folder: Path, postgres: Installation, log: Path, keep_open: tuple[int, ...]) -> Path:
    """Return the data folder in `folder`; make it with initdb unless it holds an archive.

    Raise ConfigurationError for a folder that is damaged, of another version of Postgres, of another user (a copy made
    by root), or something else.
    """
    data = folder / "data"
    if _holds_archive(data):
        _require_whole(data, postgres.version)
        _require_owner(data, postgres.user)
        return data
    _discard(data)
    new = folder / "data.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    opened = OpenFolder(new, postgres.user)
    command = [str(postgres.programs / "initdb"), "--auth=trust", "--username=postgres", *LOCALE, "-D", opened.path]
    try:
        processes.run(command, log, INIT_LIMIT_S, (*keep_open, opened.handle), user=postgres.user)
    finally:
        opened.close()
    new.rename(data)
    flush_folder(folder)
    return data


def _holds_archive(data: Path) -> bool:
    """Return whether a cluster has a database that initdb has not made."""
    try:
        return any(int(entry.name) >= FIRST_USER_OID for entry in (data / "base").iterdir() if entry.name.isdecimal())
    except FileNotFoundError:
        return False


def _require_whole(data: Path, version: int) -> None:
    advice = "restore it from a backup, or rename it: the next command makes a new archive"
    for part in ("PG_VERSION", "global/pg_control"):
        if not (data / part).is_file():
            raise ConfigurationError(f"the archive in {data} is damaged ({part} is missing): {advice}")
    found = (data / "PG_VERSION").read_text().strip()
    if found != str(version):
        raise ConfigurationError(f"the archive in {data} is of Postgres {found}, this program has {version}: {advice}")


def _require_owner(data: Path, user: str | None) -> None:
    found, owner = (data / "PG_VERSION").stat(), owner_of(user)
    if found.st_uid != owner.uid:
        raise ConfigurationError(
            f"the files in {data} belong to the user {found.st_uid}, but Postgres runs as {user or owner.uid}: "
            f"chown -R {user or owner.uid} {shlex.quote(str(data))}"
        )


def _discard(data: Path) -> None:
    """Remove half a cluster; raise ConfigurationError when the folder holds anything else."""
    if not data.exists():
        return
    for entry in data.iterdir():
        if not entry.name.startswith(PARTS) and entry.name not in FOLDERS:
            raise ConfigurationError(f"{data} is not a data folder of Postgres (it has {entry.name}): rename it")
    shutil.rmtree(data)
