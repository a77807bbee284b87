"""The file and the four locks that the commands on a state folder and the keeper of its servers share.

servers.json      addresses and passwords of the servers, while they run (see `addresses`)
lock              held by the keeper and its servers: it is free when the last of them has ended
locks/keeper      held by the keeper alone: `servers.json` is valid while it is taken
locks/users       shared by the commands and their services; the keeper takes it alone when there are none, and ends
locks/run         held by `ingest run` and its services: one run at a time
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.cli.local import locks

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Files:
    """The shared files of a state folder."""

    state: Path

    @property
    def addresses(self) -> Path:
        """Return the file with the addresses of the servers."""
        return self.state / "servers.json"

    @property
    def servers_lock(self) -> Path:
        """Return the lock of the keeper and its servers; earlier versions of this program respect it, too."""
        return self.state / "lock"

    @property
    def keeper_lock(self) -> Path:
        """Return the lock of the keeper."""
        return self.state / "locks" / "keeper"

    @property
    def users_lock(self) -> Path:
        """Return the lock of the commands that use the servers."""
        return self.state / "locks" / "users"

    @property
    def run_lock(self) -> Path:
        """Return the lock of the command that runs services."""
        return self.state / "locks" / "run"

    @property
    def keeper_lives(self) -> bool:
        """Return whether a keeper runs."""
        return not locks.is_free(self.keeper_lock, shared=True)
