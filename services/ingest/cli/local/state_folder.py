"""The local mode: everything in one state folder, whose servers all commands share.

    <state>/servers.json, lock, locks/     see `shared_files`
    <state>/nats/ postgres/ volume/ logs/

The servers are children of a process of their own, the keeper. The first command starts it, and it ends after the last
one. One `ingest run` at a time runs services on them. Services inherit the locks of their run: a run that follows a
crash waits until the last of them has ended, and then continues the unfinished recordings.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.cli.local.locks import Lock
from ingest.cli.local.private_folder import PRIVATE_UMASK, make_private
from ingest.cli.local.shared_files import Files
from ingest.cli.local.shared_servers import SharedServers, environment
from ingest.shared.broker.connect import COMMAND_WAIT_S, VOLUME_NEEDS_NATS, bus_topology, connect, files_bucket
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.cli.local.supervisor import Supervisor
    from ingest.cli.settings import AllSettings
    from ingest.embedder.postgres.database import Database
    from ingest.embedder.tables.catalog import Catalog
    from ingest.shared.broker.nats_bus import NatsBus

RUN_WAIT_S = 20.0  # the services of a killed run end within this time
LOCAL_GRACE_S = 10.0
LOCAL_BUS_PATIENCE_S = 60.0


@dataclass(frozen=True)
class StateFolder:
    """A state folder whose servers run; `settings` contain their addresses. Services inherit the `keep_open` locks."""

    settings: AllSettings
    keep_open: tuple[int, ...] = ()
    servers: SharedServers | None = None

    def supervisor(self) -> Supervisor:
        """Return a supervisor that runs the services as children of this process."""
        from ingest.cli.local.supervisor import Supervisor  # imports what services need

        settings = self.settings.model_copy(
            update={
                "grace_s": min(LOCAL_GRACE_S, self.settings.grace_s),
                "bus_patience_s": min(LOCAL_BUS_PATIENCE_S, self.settings.bus_patience_s),
            }
        )
        keep_servers = self.servers.keep if self.servers is not None else None
        return Supervisor(
            environment(settings), settings.state_path / "logs", self.keep_open, settings.grace_s, keep_servers
        )


@contextmanager
def open_state_folder(settings: AllSettings, *, exclusive: bool) -> Iterator[StateFolder]:
    """Give the servers of a state folder: those that other commands use already, or new ones.

    With `exclusive`, raise ConfigurationError when services of another command run on them.
    """
    if settings.nats_url is None and files_bucket(settings) is not None:
        raise ConfigurationError(VOLUME_NEEDS_NATS)
    files = Files(settings.state_path)
    make_private(files.state)
    with ExitStack() as held:
        held.callback(os.umask, os.umask(PRIVATE_UMASK))
        keep_open: tuple[int, ...] = ()
        if exclusive:
            run = Lock(files.run_lock)
            held.callback(run.close)
            if not run.acquire(RUN_WAIT_S):
                raise ConfigurationError(f"{files.state} is in use by another `ingest run` (or its services)")
            keep_open = (run.handle,)
        servers = SharedServers(settings)
        held.callback(servers.leave)
        running = servers.join()
        if exclusive and not servers.were_started and settings.nats_url is None:
            from ingest.cli.local import preparation

            preparation.take_back(running)
        yield StateFolder(running, (*keep_open, servers.lock), servers)


@dataclass(frozen=True)
class Connections:
    """Open connections to the broker and the database, and the state folder that can run services on them."""

    settings: AllSettings
    bus: NatsBus
    database: Database
    state_folder: StateFolder

    @property
    def is_local(self) -> bool:
        """Return whether these are servers of the state folder. The settings name the addresses of any servers."""
        return self.state_folder.servers is not None

    @property
    def catalog(self) -> Catalog:
        """Return the read side of the archive's table of videos."""
        from ingest.embedder.tables.catalog import Catalog  # when the servers have been started, as below

        return Catalog(self.database)

    def provision(self) -> None:
        """Create the streams and consumers that are missing."""
        self.bus.provision(bus_topology(self.settings))


@dataclass(frozen=True)
class Archive:
    """An open connection to the database alone: all that a command needs that only reads."""

    settings: AllSettings
    database: Database


@contextmanager
def open_archive(settings: AllSettings) -> Iterator[Archive]:
    """Give a connection to the configured database, or to that of the local mode when none is configured."""
    with ExitStack() as held:
        if settings.database_url is None:
            settings = held.enter_context(open_state_folder(settings, exclusive=False)).settings
        from ingest.embedder.postgres import database  # imported while the servers start

        yield Archive(settings, held.enter_context(database.connect(settings, size=2, name="ingest")))


@contextmanager
def open_connections(settings: AllSettings, *, exclusive: bool = False) -> Iterator[Connections]:
    """Give connections to the configured servers, or to those of the local mode when none are configured.

    With `exclusive`, the table of videos knows what happened before, also on a broker of others: a command that decides
    by the table what is unfinished would else find nothing.
    """
    with ExitStack() as held:
        folder = StateFolder(settings)
        if settings.is_local:
            folder = held.enter_context(open_state_folder(settings, exclusive=exclusive))
        connections = held.enter_context(_connect(folder))
        if exclusive and settings.nats_url is not None:
            from ingest.cli import console
            from ingest.cli.local import preparation

            with console.err.status("reading what happened before"):
                preparation.write_missed_events(connections.bus, connections.database, settings.ack_wait_s)
        yield connections


@contextmanager
def _connect(folder: StateFolder) -> Iterator[Connections]:
    from ingest.embedder.postgres import database  # imported while the servers start

    with database.connect(folder.settings, size=2, name="ingest") as archive:
        bus = connect(folder.settings, "cli.ingest", first_s=COMMAND_WAIT_S)
        try:
            yield Connections(folder.settings, bus, archive, folder)
        finally:
            bus.close()
