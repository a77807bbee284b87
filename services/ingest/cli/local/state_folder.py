"""The local mode: everything in one state folder, owned by one command at a time.

    <state>/lock           held by the command that runs the servers, and by everything it has started
    <state>/servers.json   how to reach the servers while they run
    <state>/nats/ postgres/ volume/ logs/

The lock is inherited by the servers and services, so it is free only when the last of them has ended: a command that
comes after a crash waits for that moment and then goes on where the other stopped.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from ingest.cli.local.nats_server import NATS_USER, EmbeddedNats
from ingest.cli.local.postgres_server import EmbeddedPostgres
from ingest.cli.local.supervisor import Server, Supervisor
from ingest.cli.settings import AllSettings
from ingest.embedder import database
from ingest.embedder.ledger import Ledger
from ingest.embedder.migrate import migrate
from ingest.shared.broker.connect import bus_topology, connect
from ingest.shared.errors import ConfigurationError
from ingest.shared.settings import PREFIX, as_environment, is_secret, variable
from ingest.shared.worker import crash_journal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.embedder.database import Database
    from ingest.shared.broker.nats_bus import NatsBus

LOCK_WAIT_S = 20.0
LOCAL_GRACE_S = 10.0
LOCAL_BUS_PATIENCE_S = 60.0
SERVER_FIELDS = ("nats_url", "nats_user", "nats_password", "database_url")


@dataclass(frozen=True)
class Home:
    """A state folder whose servers run; `settings` say how to reach them.

    Whoever has started the `servers` holds the `lock`, and keeps them running.
    """

    settings: AllSettings
    lock: int | None = None
    servers: tuple[Server, ...] = ()

    def supervisor(self) -> Supervisor:
        """Return what runs the services here, as children of this process."""
        settings = self.settings.model_copy(
            update={
                "grace_s": min(LOCAL_GRACE_S, self.settings.grace_s),
                "bus_patience_s": min(LOCAL_BUS_PATIENCE_S, self.settings.bus_patience_s),
            }
        )
        others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environment = {**others, **as_environment(settings)}
        keep_open = (self.lock,) if self.lock is not None else ()
        return Supervisor(environment, settings.state_path / "logs", keep_open, self.servers)


@contextmanager
def home(settings: AllSettings, *, exclusive: bool) -> Iterator[Home]:
    """Give the servers of a state folder: those that run already, or fresh ones that end with the block.

    With `exclusive`, raise ConfigurationError when another command uses the folder.
    """
    settings.state_path.mkdir(parents=True, exist_ok=True)
    lock = os.open(settings.state_path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        running = None if _locked(lock, 0) else _running(settings)
        if running is not None and not exclusive:
            yield Home(running)
            return
        if not _locked(lock, LOCK_WAIT_S):
            raise ConfigurationError(f"{settings.state_path} is in use by another `ingest` command (or its services)")
        with _started(settings, lock) as started:
            yield started
    finally:
        os.close(lock)


@contextmanager
def _started(settings: AllSettings, lock: int) -> Iterator[Home]:
    """Start the servers that are not configured; end them with the block."""
    state = settings.state_path
    servers: list[Server] = []
    crash_journal.forgive(settings.volume / "workers")
    with ExitStack() as running:
        if settings.database_url is None:
            postgres = EmbeddedPostgres(state / "postgres", (lock,))
            running.callback(postgres.stop)
            servers.append(postgres)
            settings = settings.model_copy(update={"database_url": SecretStr(postgres.url)})
        embed_nats = settings.nats_url is None
        if embed_nats:
            nats = EmbeddedNats(state / "nats", (lock,))
            running.callback(nats.stop)
            servers.append(nats)
            password = SecretStr(nats.password)
            settings = settings.model_copy(
                update={"nats_url": nats.url, "nats_user": NATS_USER, "nats_password": password}
            )
        description = state / "servers.json"
        description.touch(mode=0o600)
        description.write_text(json.dumps(as_environment(settings, SERVER_FIELDS)))
        running.callback(description.unlink, missing_ok=True)
        _prepare(settings, alone=embed_nats)
        yield Home(settings, lock, tuple(servers))


def _prepare(settings: AllSettings, *, alone: bool) -> None:
    """Bring schema and streams up to date.

    When nobody else is here, also free what was in somebody's hands, and tell the table what it has missed.
    """
    with database.connect(settings, size=1, name="ingest") as archive:
        migrate(archive)
        bus = connect(settings, "cli.local")
        try:
            topology = bus_topology(settings)
            bus.provision(topology, update=True)
            if alone:
                bus.reset_consumers(topology)
                Ledger(bus, archive).catch_up()
        finally:
            bus.close()


def _running(settings: AllSettings) -> AllSettings | None:
    """Return the settings with the servers that another command has started, or None when there are none."""
    try:
        found = json.loads((settings.state_path / "servers.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    values = {name: found.get(variable(name)) for name in SERVER_FIELDS}
    secret = {name: SecretStr(value) for name, value in values.items() if value and is_secret(AllSettings, name)}
    return settings.model_copy(update={**values, **secret})


def _locked(lock: int, wait_s: float) -> bool:
    """Take the lock within `wait_s`."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.1)
        else:
            return True


@dataclass(frozen=True)
class Connected:
    """A bus and an archive, wherever they are, and what runs services that use them."""

    settings: AllSettings
    bus: NatsBus
    archive: Database
    home: Home


@contextmanager
def connected(settings: AllSettings, *, exclusive: bool = False) -> Iterator[Connected]:
    """Give the configured servers, or those of the local mode when none are configured."""
    if settings.is_local:
        with home(settings, exclusive=exclusive) as found, _connections(found) as both:
            yield both
    else:
        with _connections(Home(settings)) as both:
            yield both


@contextmanager
def _connections(found: Home) -> Iterator[Connected]:
    with database.connect(found.settings, size=2, name="ingest") as archive:
        bus = connect(found.settings, "cli.ingest")
        try:
            yield Connected(found.settings, bus, archive, found)
        finally:
            bus.close()
