"""The local mode: everything in one state folder, which one command at a time owns.

    <state>/lock           held by the command that runs the servers, and by every process that it has started
    <state>/servers.json   addresses and passwords of the servers, while they run
    <state>/nats/ postgres/ volume/ logs/

The servers and services inherit the lock, so it is free only when the last of them has ended. A command that follows a
crash waits until the lock is free, and then continues the unfinished recordings.
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
from ingest.cli.local.private_folder import PRIVATE_UMASK, make_private
from ingest.cli.local.supervisor import Server, Supervisor
from ingest.cli.settings import AllSettings
from ingest.embedder import database
from ingest.embedder.catalog import Catalog
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
class StateFolder:
    """A state folder whose servers run; `settings` contain their addresses.

    The command that has started the `servers` holds the `lock` and restarts servers that end.
    """

    settings: AllSettings
    lock: int | None = None
    servers: tuple[Server, ...] = ()

    def supervisor(self) -> Supervisor:
        """Return a supervisor that runs the services as children of this process."""
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
def open_state_folder(settings: AllSettings, *, exclusive: bool) -> Iterator[StateFolder]:
    """Give the servers of a state folder: running ones of another command, or new ones that end with the block.

    With `exclusive`, raise ConfigurationError when another command uses the folder.
    """
    make_private(settings.state_path)
    lock = os.open(settings.state_path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    umask = os.umask(PRIVATE_UMASK)
    try:
        running = None if _acquire(lock, 0) else _running(settings)
        if running is not None and not exclusive:
            yield StateFolder(running)
            return
        if not _acquire(lock, LOCK_WAIT_S):
            raise ConfigurationError(f"{settings.state_path} is in use by another `ingest` command (or its services)")
        with _start_servers(settings, lock) as started:
            yield started
    finally:
        os.close(lock)
        os.umask(umask)


@contextmanager
def _start_servers(settings: AllSettings, lock: int) -> Iterator[StateFolder]:
    """Start the servers that are not configured; stop them at the end of the block."""
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
        description.write_text(json.dumps(as_environment(settings, SERVER_FIELDS)))
        running.callback(description.unlink, missing_ok=True)
        _prepare(settings, owns_broker=embed_nats)
        yield StateFolder(settings, lock, tuple(servers))


def _prepare(settings: AllSettings, *, owns_broker: bool) -> None:
    """Bring schema and streams up to date.

    When no other process uses the broker, also release its unacknowledged messages, and write missed events to the
    table.
    """
    with database.connect(settings, size=1, name="ingest") as archive:
        migrate(archive)
        bus = connect(settings, "cli.local")
        try:
            topology = bus_topology(settings)
            bus.provision(topology, update=True)
            if owns_broker:
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


def _acquire(lock: int, wait_s: float) -> bool:
    """Take the lock within `wait_s`; return whether this succeeded."""
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
class Connections:
    """Open connections to the broker and the database, and the state folder that can run services on them."""

    settings: AllSettings
    bus: NatsBus
    database: Database
    state_folder: StateFolder

    @property
    def catalog(self) -> Catalog:
        """Return the read side of the archive's table of videos."""
        return Catalog(self.database)

    def provision(self) -> None:
        """Create the streams and consumers that are missing."""
        self.bus.provision(bus_topology(self.settings))


@contextmanager
def open_connections(settings: AllSettings, *, exclusive: bool = False) -> Iterator[Connections]:
    """Give connections to the configured servers, or to those of the local mode when none are configured."""
    if settings.is_local:
        with open_state_folder(settings, exclusive=exclusive) as folder, _connect(folder) as connections:
            yield connections
    else:
        with _connect(StateFolder(settings)) as connections:
            yield connections


@contextmanager
def _connect(folder: StateFolder) -> Iterator[Connections]:
    with database.connect(folder.settings, size=2, name="ingest") as archive:
        bus = connect(folder.settings, "cli.ingest")
        try:
            yield Connections(folder.settings, bus, archive, folder)
        finally:
            bus.close()
