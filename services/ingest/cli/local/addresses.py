"""The addresses and the four locks that the commands on a state folder and the keeper of its servers share.

servers.json      addresses and passwords of the servers, while they run
lock              held by the keeper and its servers: it is free when the last of them has ended
locks/keeper      held by the keeper alone: `servers.json` is valid while it is taken
locks/users       shared by the commands and their services; the keeper takes it alone when there are none, and ends
locks/run         held by `ingest run` and its services: one run at a time
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from ingest.cli.local import locks
from ingest.cli.settings import AllSettings
from ingest.shared.settings import as_environment, is_secret, variable

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = ("nats_url", "nats_user", "nats_password", "database_url")


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

    def write(self, settings: AllSettings) -> None:
        """Write the addresses in the settings."""
        new = self.addresses.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(as_environment(settings, FIELDS), file)
        new.replace(self.addresses)

    def read(self) -> dict[str, str]:
        """Return the addresses by field; nothing without the file."""
        try:
            found = json.loads(self.addresses.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return {name: found[variable(name)] for name in FIELDS if variable(name) in found}

    def applied(self, settings: AllSettings) -> AllSettings | None:
        """Return settings with the addresses of the running servers, or None before there are any."""
        found = self.read() if self.keeper_lives else {}
        if not found:
            return None
        values = {name: SecretStr(text) if is_secret(AllSettings, name) else text for name, text in found.items()}
        return settings.model_copy(update=values)
