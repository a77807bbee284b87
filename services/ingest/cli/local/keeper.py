"""Runs the embedded servers of a state folder for as long as a command uses them: `python -m ingest.cli.local.keeper`.

The first command starts this process, and every command that finds it running uses its servers. It ends when the last
command has ended, however that was. `shared_files` says which file and locks they share.

It reads one line of JSON from its standard input (`Request`), starts the servers, and answers with one line on its
standard output: their addresses, or an error. The command brings schema and streams up to date, writes the addresses
for others, and closes the standard input; where it has ended before, this process ends, too. Then it restarts servers
that end. If it is killed, its servers end with it.

It imports little: all that a command waits for is that Postgres starts.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict
from urllib.parse import urlsplit

from ingest.cli.local.locks import Lock
from ingest.cli.local.nats_server import NATS_USER, EmbeddedNats
from ingest.cli.local.postgres.server import EmbeddedPostgres
from ingest.cli.local.shared_files import Files
from ingest.shared.errors import ConfigurationError
from ingest.shared.telemetry import logs
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    import subprocess

LOOK_EVERY_S = 0.05
log = get_logger(__name__)


class Request(TypedDict):
    """What a command asks for."""

    state: str
    """The state folder."""
    lock: int
    """The handle of the lock that the servers inherit."""
    postgres: bool
    nats: bool
    before: dict[str, str]
    """The addresses of the servers of a keeper that was killed, by the name of their setting."""


class Server(Protocol):
    """A running server that can be restarted at its address."""

    name: str
    end: signal.Signals
    process: subprocess.Popen[bytes]

    def restart(self) -> None:
        """Restart the server."""


def main() -> int:
    """Run the servers."""
    line = sys.stdin.readline()
    if not line:  # the command was killed
        return 1
    request: Request = json.loads(line)
    logs.configure(json_lines=True, level="WARNING")
    files = Files(Path(request["state"]))
    files.addresses.unlink(missing_ok=True)
    alive, users = Lock(files.keeper_lock), Lock(files.users_lock)
    alive.acquire()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ExitStack() as running:
        servers: list[Server] = []
        try:
            addresses = _start(request, files, servers, running)
        except (ConfigurationError, OSError) as error:
            _answer({"error": str(error)})
            return 1
        running.callback(_end, servers)
        running.callback(signal.signal, signal.SIGTERM, signal.SIG_IGN)  # it ends already
        _answer(addresses)
        sys.stdin.read()
        if not files.addresses.exists():  # the command has ended before it has prepared the servers
            return 1
        while not users.acquire():
            _restart(servers)
            time.sleep(LOOK_EVERY_S)
        files.addresses.unlink(missing_ok=True)
    return 0


def _start(request: Request, files: Files, servers: list[Server], running: ExitStack) -> dict[str, str]:
    """Start the servers that are asked for; return their addresses by the name of the setting."""
    addresses: dict[str, str] = {}
    postgres: EmbeddedPostgres | None = None
    if request["postgres"]:
        postgres = EmbeddedPostgres(files.state / "postgres", (request["lock"],), wait=False)
        running.callback(postgres.stop)
        servers.append(postgres)
        addresses["database_url"] = postgres.url
    if request["nats"]:
        nats = EmbeddedNats(files.state / "nats", (request["lock"],), **_same_address(request["before"]))
        running.callback(nats.stop)
        servers.append(nats)
        addresses |= {"nats_url": nats.url, "nats_user": NATS_USER, "nats_password": nats.password}
    if postgres is not None:
        postgres.await_ready()
    return addresses


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


def _end(servers: list[Server]) -> None:
    """Let all servers end at the same time."""
    for server in servers:
        server.process.send_signal(server.end)


def _answer(content: dict[str, str]) -> None:
    """Write the answer, and close standard output: the command waits for its end."""
    with suppress(BrokenPipeError):  # the command was killed; another one may have joined
        os.write(sys.stdout.fileno(), json.dumps(content).encode())
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


if __name__ == "__main__":
    sys.exit(main())
