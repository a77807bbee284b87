"""Lets Postgres run as a user of its own when `ingest` is started as root: Postgres refuses to run as root.

That user may enter neither the state folder nor the folders above it, and no permission is changed for it:

* Its data folder is opened here. The server gets the open handle, as the path `/proc/self/fd/N`.
* A program in a folder that the user may not enter is copied into the private folder of the server's socket.
"""

from __future__ import annotations

import os
import pwd
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.cli.local import processes
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

SYSTEM_USER = "pgserver"  # the package of Postgres creates this user when root uses it


@dataclass(frozen=True)
class Owner:
    """The numbers of a user and its group."""

    uid: int
    gid: int


def owner_of(user: str | None) -> Owner:
    """Return the numbers of a user; of the user of this process without a name."""
    if user is None:
        return Owner(os.geteuid(), os.getegid())
    found = pwd.getpwnam(user)
    return Owner(found.pw_uid, found.pw_gid)


class OpenFolder:
    """A folder of `user` (None: of this process) that is open in this process and in the children that keep `handle`.

    `path` is the path of the folder for such a child.
    """

    def __init__(self, folder: Path, user: str | None) -> None:
        self.folder = folder
        self.handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        self.path = str(folder)
        if user is not None:
            owner = owner_of(user)
            os.fchown(self.handle, owner.uid, owner.gid)
            self.path = f"/proc/self/fd/{self.handle}"
        os.fchmod(self.handle, 0o700)

    def close(self) -> None:
        """Close the handle."""
        os.close(self.handle)


def runnable_program(programs: Path, user: str | None, private: Path) -> Path:
    """Return the folder of the programs that `user` can run: the installed one, or a copy in its `private` folder."""
    if user is None or _runs(programs, user):
        return programs
    copy = private / "program"
    shutil.rmtree(copy, ignore_errors=True)
    copied = _copy_program(programs, copy)
    owner = owner_of(user)
    for path in (copy, *copy.rglob("*")):
        os.chown(path, owner.uid, owner.gid, follow_symlinks=False)
    if not _runs(copied, user):
        raise ConfigurationError(
            f"Postgres runs as the user {user}, who can run it neither in {programs} nor in {private}. "
            f"Run ingest as a user other than root, or set INGEST_DATABASE_URL"
        )
    return copied


def _copy_program(programs: Path, target: Path) -> Path:
    """Copy the programs of the Python package, with the libraries that lie beside the package; return their folder."""
    package = programs.parents[1]
    libraries = package.with_name(f"{package.name}.libs")
    installed = target / package.name / programs.parent.name
    shutil.copytree(programs.parent, installed, symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    return installed / programs.name


def _runs(programs: Path, user: str) -> bool:
    """Return whether a user can run Postgres: it needs the program, its libraries, and the folders above them."""
    commands = ([str(programs / name), "--version"] for name in ("initdb", "postgres"))
    try:
        return all(processes.finish(command, user=user).returncode == 0 for command in commands)
    except OSError:
        return False
