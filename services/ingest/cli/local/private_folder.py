"""The access to a state folder: nothing in it can be read or replaced by other users of the machine.

The folder must belong to the user of this process, and so must everything in it that the local mode uses. (If root has
started Postgres, its data belong to a user of their own.) The folders above are left as they are.
"""

from __future__ import annotations

import os
import pwd
import stat
from typing import TYPE_CHECKING

from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE_UMASK = 0o077
FOLDERS = ("nats", "postgres", "volume", "logs", "locks")
FILES = ("lock", "servers.json")
OWN_FOLDER = "name a folder of your own by --state or INGEST_STATE_PATH"


def make_private(state: Path) -> None:
    """Create a state folder, or close an older one to other users.

    Raise ConfigurationError when it belongs to another user, or when other users could replace its content. A folder
    that also holds other files keeps its permissions; those parts of it that the local mode uses are closed.
    """
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_others(state, state.stat())
        names = {entry.name for entry in os.scandir(state)}
        if not names or "lock" in names:
            state.chmod(0o700)
        elif state.stat().st_mode & stat.S_IWOTH:
            raise ConfigurationError(f"every user can write to {state}: {OWN_FOLDER}")
        for name in names.intersection((*FOLDERS, *FILES)):
            _close(state / name)
    except OSError as error:
        raise ConfigurationError(f"state folder {state}: {error.strerror or error}") from error


def _close(path: Path) -> None:
    """Close a file or folder to other users. Of a link only the owner counts: it may lead to another disk."""
    _refuse_others(path, path.lstat())
    if not path.is_symlink():
        path.chmod(0o700 if path.is_dir() else 0o600)


def _refuse_others(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise ConfigurationError(f"{path} belongs to {_name_of(found.st_uid)}: {OWN_FOLDER}")


def _name_of(uid: int) -> str:
    try:
        return f"the user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the user with the number {uid}"
