"""Gives the embedded Postgres what it needs of the machine: a short path for its socket, and a user with a name."""

from __future__ import annotations

import os
import pwd
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

SOCKET = ".s.PGSQL.5432"
LONGEST_SOCKET = 107
PLAIN = re.compile(r"[\w/.+-]+", re.ASCII)
OTHER_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 (the folder in it is private, and its owner is checked)


def socket_folder(name: str, others: Sequence[str] = OTHER_TEMPORARY) -> Path:
    """Return the first folder `name` for temporary files in which a socket can have a path that libpq takes.

    The path has at most 107 bytes, and a comma in it would separate two servers.
    """
    tried = (tempfile.gettempdir(), *others)
    for folder in tried:
        path = Path(folder) / name
        fits = len(os.fsencode(path / SOCKET)) <= LONGEST_SOCKET and PLAIN.fullmatch(str(path))
        if fits and os.access(folder, os.W_OK | os.X_OK):
            return path
    raise ConfigurationError(
        f"no folder for the socket of Postgres: {', '.join(tried)} cannot be written, or the path is too long or has "
        f"signs in it; set TMPDIR to a folder with a short and plain path"
    )


def require_name() -> None:
    """Raise ConfigurationError for a user without a name (as often in a container): initdb needs one."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        text = f"the user with the number {os.geteuid()} has no name, which Postgres needs: add it to /etc/passwd"
        raise ConfigurationError(f"{text}, or set INGEST_DATABASE_URL") from None
