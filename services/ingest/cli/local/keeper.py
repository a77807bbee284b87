"""Runs the embedded servers of a state folder for as long as a command uses them: `python -m ingest.cli.local.keeper`.

The first command starts this process, and every command that finds it running uses its servers. It ends when the last
command has ended, however that was. `addresses` says which files and locks they share.

It starts the servers, brings schema and streams up to date, and answers with one line of JSON on its standard output:
an error, or nothing. Then it restarts servers that end. If it is killed, its servers end with it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from pydantic import SecretStr

from ingest.cli.local.addresses import Files
from ingest.cli.local.locks import Lock
from ingest.cli.local.nats_server import NATS_USER, EmbeddedNats
from ingest.cli.local.postgres_server import EmbeddedPostgres
from ingest.cli.settings import AllSettings
from ingest.shared.broker.bus import BusError
from ingest.shared.errors import ConfigurationError, IngestError
from ingest.shared.settings import load
from ingest.shared.telemetry import logs
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    import subprocess

LOOK_EVERY_S = 0.1
log = get_logger(__name__)


class Server(Protocol):
    """A running server that can be restarted at its address."""

    name: str
    process: subprocess.Popen[bytes]

    def restart(self) -> None:
        """Restart the server."""


def main() -> int:
    """Run the servers; the only argument is the handle of the lock that they inherit."""
    settings = load(AllSettings)
    logs.configure(json_lines=True, level="WARNING")
    files = Files(settings.state_path)
    before = files.read()  # of a keeper that was killed
    files.addresses.unlink(missing_ok=True)
    alive, users = Lock(files.keeper_lock), Lock(files.users_lock)
    alive.acquire()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ExitStack() as running:
        try:
            servers = _start(settings, files, int(sys.argv[1]), before, running)
        except (ConfigurationError, IngestError, BusError, OSError) as error:
            _answer({"error": str(error)})
            return 1
        _answer({})
        while not users.acquire():
            _restart(servers)
            time.sleep(LOOK_EVERY_S)
        files.addresses.unlink(missing_ok=True)
    return 0


def _start(settings: AllSettings, files: Files, lock: int, before: dict[str, str], running: ExitStack) -> list[Server]:
    """Start the servers that are not configured, prepare them, and write their addresses."""
    servers: list[Server] = []
    postgres: EmbeddedPostgres | None = None
    if settings.database_url is None:
        postgres = EmbeddedPostgres(files.state / "postgres", (lock,), wait=False)
        running.callback(postgres.stop)
        servers.append(postgres)
        settings = settings.model_copy(update={"database_url": SecretStr(postgres.url)})
    embed_nats = settings.nats_url is None
    if embed_nats:
        nats = EmbeddedNats(files.state / "nats", (lock,), **_same_address(before))
        running.callback(nats.stop)
        servers.append(nats)
        password = SecretStr(nats.password)
        settings = settings.model_copy(update={"nats_url": nats.url, "nats_user": NATS_USER, "nats_password": password})
    from ingest.cli.local import preparation  # takes as long to import as Postgres to start

    if postgres is not None:
        postgres.await_ready()
    preparation.prepare(settings, owns_broker=embed_nats)
    files.write(settings)
    return servers


def _same_address(before: dict[str, str]) -> dict[str, str]:
    """Return the address and the password of a server before, which services may still use, if its port is free."""
    if not {"nats_url", "nats_password"} <= before.keys():
        return {}
    place = urlsplit(before["nats_url"])
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((place.hostname or "", place.port or 0))
        except OSError:
            return {}
    return {"url": before["nats_url"], "password": before["nats_password"]}


def _restart(servers: list[Server]) -> None:
    for server in servers:
        status = server.process.poll()
        if status is not None:
            log.warning("server_restarted", server=server.name, status=status)
            server.restart()


def _answer(content: dict[str, str]) -> None:
    """Write the answer, and close standard output: the command waits for its end."""
    with suppress(BrokenPipeError):  # the command was killed; another one may have joined
        os.write(sys.stdout.fileno(), json.dumps(content).encode())
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


if __name__ == "__main__":
    sys.exit(main())
