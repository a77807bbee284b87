"""A command's share in the servers of a state folder: joins their keeper, or starts one, and leaves it at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ingest.cli.local import addresses, disk_room, locks, processes
from ingest.cli.local.locks import Lock
from ingest.cli.local.shared_files import Files
from ingest.shared.broker.bus import BusError
from ingest.shared.errors import ConfigurationError, IngestError
from ingest.shared.settings import PREFIX, as_environment

if TYPE_CHECKING:
    from ingest.cli.local.keeper import Request
    from ingest.cli.settings import AllSettings

JOIN_WAIT_S = 120.0
LEAVE_WAIT_S = 60.0
POLL_S = 0.02
EXPECTED = (ConfigurationError, IngestError, BusError, OSError)


def environment(settings: AllSettings) -> dict[str, str]:
    """Return the environment of a process that is to have these settings."""
    return {**_foreign_environment(), **as_environment(settings)}


def _foreign_environment() -> dict[str, str]:
    """Return the environment of this process without the settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


class SharedServers:
    """The servers of a state folder, which run while any command has joined them."""

    def __init__(self, settings: AllSettings) -> None:
        self._settings = settings
        self._files = Files(settings.state_path)
        self._users: Lock | None = None
        self._keeper: subprocess.Popen[str] | None = None

    @property
    def were_started(self) -> bool:
        """Return whether this command has started them."""
        return self._keeper is not None

    @property
    def lock(self) -> int:
        """Return the handle that keeps the servers running, also in a process that inherits it."""
        assert self._users is not None  # noqa: S101 (joined)
        return self._users.handle

    def join(self) -> AllSettings:
        """Return the settings with the addresses of the servers, which are started unless they run."""
        users = Lock(self._files.users_lock)
        if not users.acquire(JOIN_WAIT_S, shared=True):  # until a keeper that ends has ended
            users.close()
            raise ConfigurationError(f"the servers in {self._files.state} do not end: end the processes that use it")
        self._users = users
        return self._find_or_start()

    def keep(self) -> list[str]:
        """Start the servers again if their keeper was killed; return a line that says so. Call this often."""
        if self._files.keeper_lives:
            return []
        self._find_or_start()
        return ["the servers ended and were restarted"]

    def leave(self) -> None:
        """Let the servers end unless another command uses them; wait until they have ended."""
        if self._users is None:
            return
        self._users.close()
        deadline = time.monotonic() + LEAVE_WAIT_S
        while time.monotonic() < deadline and not locks.is_free(self._files.servers_lock):
            is_used = not locks.is_free(self._files.users_lock)
            if is_used and locks.is_free(self._files.users_lock, shared=True):  # not by a keeper that ends
                self._disown_keeper()
                return
            time.sleep(POLL_S)
        if self._keeper is not None:
            self._keeper.wait()

    def _disown_keeper(self) -> None:
        """Drop the handle of a keeper that runs for other commands: nothing waits for its status."""
        if self._keeper is not None:
            self._keeper.returncode = 0  # Popen warns of a process without a status

    def _find_or_start(self) -> AllSettings:
        deadline = time.monotonic() + JOIN_WAIT_S
        while time.monotonic() < deadline:
            lock = Lock(self._files.servers_lock)
            try:
                if lock.acquire():
                    self._start(lock)
            finally:
                lock.close()
            found = addresses.applied(self._files, self._settings)
            if found is not None:
                return found
            time.sleep(POLL_S)
        raise ConfigurationError(f"{self._files.state} is in use by another `ingest` command (or its servers)")

    def _start(self, lock: Lock) -> None:
        """Start a keeper, and prepare its servers when they run; raise ConfigurationError with an error of either."""
        before = addresses.read(self._files)  # of a keeper that was killed
        logs = self._files.state / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        with (logs / "servers.log").open("ab") as log:
            keeper = subprocess.Popen(
                [sys.executable, "-P", "-m", "ingest.cli.local.keeper"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                pass_fds=(lock.handle,),
                env={**_foreign_environment(), **as_environment(self._settings, ("state_path",))},
            )
        try:
            self._prepare(keeper, lock, before)
        except BaseException as error:  # also Ctrl-C
            processes.stop(keeper, signal.SIGTERM)
            if not isinstance(error, EXPECTED):
                raise
            cause = str(error) or f"the servers did not start (log: {log.name})"
            raise ConfigurationError(disk_room.explained(cause, self._files.state)) from error
        self._keeper = keeper

    def _prepare(self, keeper: subprocess.Popen[str], lock: Lock, before: dict[str, str]) -> None:
        """Ask a keeper for servers, bring them up to date, and write their addresses, which others wait for."""
        assert keeper.stdin is not None  # noqa: S101 (pipes were asked for)
        assert keeper.stdout is not None  # noqa: S101
        settings = self._settings
        owns_broker = settings.nats_url is None
        request: Request = {
            "state": str(self._files.state),
            "lock": lock.handle,
            "postgres": settings.database_url is None,
            "nats": owns_broker,
            "before": before,
        }
        with keeper.stdin as stdin, keeper.stdout as stdout:
            with suppress(BrokenPipeError):  # it has ended: there is no answer
                os.write(stdin.fileno(), f"{json.dumps(request)}\n".encode())
            from ingest.cli.local import preparation  # while the servers start: it takes as long

            preparation.import_clients()
            answer = json.loads(stdout.read() or '{"error": ""}')
            if "error" in answer:
                raise ConfigurationError(answer["error"])
            settings = addresses.with_addresses(settings, answer)
            preparation.prepare(settings, owns_broker=owns_broker)
            addresses.write(self._files, settings)
