"""`ingest serve`: the page and the API of an archive, on this machine. `ingest mcp`: the archive for one agent."""

from __future__ import annotations

import asyncio
import secrets
import threading
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from pydantic import SecretStr

from ingest.archive.service import opened, served
from ingest.cli import console
from ingest.cli.find import running_server
from ingest.cli.local.state_folder import open_state_folder
from ingest.embedder.postgres import database
from ingest.embedder.postgres.migrate import migrate
from ingest.embedder.rebuild import rebuilder
from ingest.embedder.requested_changes import Changes, Tools
from ingest.embedder.text_model import light_encoder
from ingest.embedder.text_model.remembered import RememberedModel
from ingest.shared.broker import connect as broker
from ingest.shared.telemetry import health, logs, metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingest.cli.local.state_folder import StateFolder
    from ingest.cli.settings import AllSettings
    from ingest.embedder.text_model.model_keys import PassageModel

KEEP_EVERY_S = 1.0


def serve(settings: AllSettings) -> None:
    """Serve until a signal, on the configured database or on that of the state folder."""
    with ExitStack() as held:
        is_local = settings.database_url is None
        settings = held.enter_context(_database(settings))
        model = _model(settings)
        if is_local:
            held.enter_context(_changes_carried_out(settings, model))
            own = settings.archive_edit_token or SecretStr(secrets.token_urlsafe(16))
            settings = settings.model_copy(update={"archive_edit_token": own})
        for_commands = held.enter_context(running_server.offered(settings)) if is_local else None
        server = held.enter_context(served(settings, lambda: RememberedModel(model()), also=for_commands))
        if settings.metrics_port:
            health.serve(settings.metrics_port, list, server.reasons, host=settings.metrics_host or "127.0.0.1")
        console.out.print(f"The archive is at [bold]{server.url}[/] (Ctrl-C ends the server)", markup=True)
        if settings.archive_edit_token:
            token = quote(settings.archive_edit_token.get_secret_value()) if is_local else "TOKEN"
            console.out.print(f"To change something there, open {server.url}/edit?token={token}")
        console.out.file.flush()
        server.run()


def serve_agent(settings: AllSettings) -> None:
    """Answer the agent that writes to standard input, until its end or an interruption."""
    from ingest.archive.agents import server  # seconds of imports

    with _database(settings) as found, opened(found, lambda: light_encoder.load(found)) as library:
        library.model.start()
        if asyncio.run(server.over_pipe(server.build(library))):
            raise KeyboardInterrupt


@contextmanager
def _database(settings: AllSettings) -> Iterator[AllSettings]:
    """Give the settings with a database: the configured one, or that of the state folder."""
    if settings.database_url is not None:
        yield settings
        return
    with open_state_folder(settings, exclusive=False) as folder, _kept(folder):
        with database.connect(folder.settings, size=1, name="ingest") as archive:
            migrate(archive)  # a new state folder has no tables yet
        yield folder.settings


def _model(settings: AllSettings) -> Callable[[], PassageModel]:
    """Return a function that loads the text model once: questions and changes share it."""

    @cache
    def load() -> PassageModel:
        with metrics.loading("embedder"):
            return light_encoder.load(settings)

    return load


@contextmanager
def _changes_carried_out(settings: AllSettings, model: Callable[[], PassageModel]) -> Iterator[None]:
    """Carry out what readers of the page want changed: without an `ingest run`, no embedder is there to do it."""
    with database.connect(settings, size=2, name="ingest") as archive:
        bus = broker.connect(settings, "cli.changes", first_s=broker.COMMAND_WAIT_S)
        bus.provision(broker.bus_topology(settings))
        changes = Changes(Tools(bus, archive, lambda: rebuilder(settings, archive, model())))
        changes.start()
        try:
            yield
        finally:
            changes.stop()
            bus.close()


@contextmanager
def _kept(folder: StateFolder) -> Iterator[None]:
    """Start the servers of the state folder again when they end, as after a kill."""
    done = threading.Event()

    def keep() -> None:
        while folder.servers is not None and not done.wait(KEEP_EVERY_S):
            for line in folder.servers.keep():
                logs.get_logger(__name__).warning(line)

    keeping = threading.Thread(target=keep, name="keep-servers", daemon=True)
    keeping.start()
    try:
        yield
    finally:
        done.set()
        keeping.join()
