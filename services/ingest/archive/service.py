"""Builds the read side from its settings, and runs it: `python -m ingest.archive`, and `ingest serve`."""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NoReturn

import uvicorn

from ingest.archive.agents.http_app import AgentApp
from ingest.archive.change_requests import ChangeRequests
from ingest.archive.model import Model
from ingest.archive.reading import Reading
from ingest.archive.settings import ArchiveSettings, listed
from ingest.archive.warming import Warming
from ingest.archive.web.access.editing import Editing
from ingest.archive.web.access.proxies import Proxies
from ingest.archive.web.access.rules import check, rules_of, secret
from ingest.archive.web.app import build as build_app
from ingest.archive.web.connections import Connection
from ingest.archive.web.library import Library
from ingest.embedder.postgres import database
from ingest.embedder.text_model import light_encoder
from ingest.embedder.text_model.remembered import RememberedModel
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.homes.chosen import volume_of
from ingest.shared.settings import load
from ingest.shared.telemetry import health, logs, metrics
from ingest.shared.worker.ending import EXIT_CONFIGURATION, EXIT_PASSING, PASSING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

    from ingest.embedder.text_model.model_keys import TextModel

NAME = "archive"
READERS = 8  # transactions at the same time
GRACE_S = 5.0
ANSWERING_S = 20.0  # of a database call
CLOSED_S = 5  # an idle connection is closed after this time
BACKLOG = 512
WAIT_S = 2.0  # between two looks for the tables
START_S = 120.0  # that a database may take to be there, as when both are installed at once

log = logs.get_logger(__name__)


def main() -> NoReturn:
    """Run the service until SIGTERM or SIGINT."""
    try:
        settings = load(ArchiveSettings)
        as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
        logs.configure(json_lines=as_json, level=settings.log_level, service=NAME, worker=settings.worker_name)
        _wait_for_tables(settings)
        with served(settings) as server:
            if settings.metrics_port:
                health.serve(settings.metrics_port, list, server.reasons, host=settings.metrics_host)
            server.run()
    except ConfigurationError as error:
        log.error("wrong_configuration", error=str(error))  # noqa: TRY400 (the text has the reason)
        sys.exit(EXIT_CONFIGURATION)
    except IngestError as error:
        log.error("cannot_start", code=error.code, error=error.message)  # noqa: TRY400 (the text has the reason)
        sys.exit(EXIT_PASSING if error.code in PASSING else EXIT_CONFIGURATION)
    sys.exit(0)


class Server:
    """The read side on an open socket, and on `also`. `url` is its address on this machine."""

    def __init__(
        self, app: ASGIApp, settings: ArchiveSettings, model: Model, also: socket.socket | None = None
    ) -> None:
        self._model = model
        config = uvicorn.Config(
            app,
            host=settings.archive_host,
            port=settings.archive_port,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=settings.archive_connections,
            backlog=BACKLOG,
            timeout_keep_alive=CLOSED_S,
            timeout_graceful_shutdown=int(GRACE_S),
        )
        self._server = uvicorn.Server(config)
        self._sockets = [_listen(config)]
        host, port = self._sockets[0].getsockname()[:2]
        self._sockets += [] if also is None else [also]
        self.url = f"http://{_shown(host)}:{port}"

    def run(self) -> None:
        """Answer requests until `stop`, or in the main thread until a signal."""
        log.info("ready", url=self.url)
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: self.stop())
        self._server.run(sockets=self._sockets)
        log.info("stopped")

    def stop(self) -> None:
        """Answer the requests in progress, and end."""
        self._server.should_exit = True

    def reasons(self) -> list[str]:
        """Return the reasons why the service is not ready."""
        reason = self._model.reason
        return [reason] if reason else []

    def close(self) -> None:
        """Close the socket."""
        for listening in self._sockets:
            listening.close()


@contextmanager
def served(
    settings: ArchiveSettings, load_model: Callable[[], TextModel] | None = None, also: socket.socket | None = None
) -> Iterator[Server]:
    """Give a server of the archive that the settings name; its model is loaded in the background.

    It listens at the address in the settings, and on the socket `also`.
    """
    edit_token = secret(settings.archive_edit_token)
    check(settings)
    with opened(settings, load_model) as library, closing(ChangeRequests(settings, f"{NAME}.changes")) as requests:
        editors = listed(settings.archive_editors)
        editing = Editing(edit_token, requests.ask, editors=editors) if edit_token else None
        guard = build_app(library, rules=rules_of(settings), agents=AgentApp(library), editing=editing)
        app = Proxies(guard, listed(settings.archive_proxies), settings.archive_proxy_header)
        server = Server(app, settings, library.model, also)
        library.model.start()
        warming = Warming(library.reading.database, library.model)
        warming.start()
        try:
            yield server
        finally:
            warming.stop()
            server.close()


@contextmanager
def opened(settings: ArchiveSettings, load_model: Callable[[], TextModel] | None = None) -> Iterator[Library]:
    """Give the archive that the settings name, for reading. Its model is loaded when it is started."""
    patient = settings.model_copy(update={"database_timeout_s": min(ANSWERING_S, settings.database_timeout_s)})
    with database.connect(patient, size=READERS, name=f"{NAME}.{settings.worker_name}") as archive:
        model = Model(load_model or (lambda: _load(settings)))
        yield Library(Reading(archive), volume_of(settings), model)


def _wait_for_tables(settings: ArchiveSettings) -> None:
    """Wait until the archive is made: a connection that was opened before cannot read vectors."""
    began = time.monotonic()
    while True:
        try:
            if _has_tables(settings):
                return
        except IngestError as error:
            if error.code != Code.ENV_DB_UNAVAILABLE or time.monotonic() - began > START_S:
                raise
            log.warning("no_database", error=error.message)
        time.sleep(WAIT_S)


def _has_tables(settings: ArchiveSettings) -> bool:
    with database.connect(settings, size=1, name=f"{NAME}.{settings.worker_name}") as archive:
        is_made = archive.look()[1].is_made
        if not is_made:
            log.warning("no_tables", schema=archive.schema, advice="`ingest migrate` makes them")
        return is_made


def _load(settings: ArchiveSettings) -> TextModel:
    with metrics.loading("embedder"):
        return RememberedModel(light_encoder.load(settings))


def _listen(config: uvicorn.Config) -> socket.socket:
    """Return a listening socket; raise ConfigurationError when its address cannot be used."""
    try:
        opened = config.bind_socket()
        opened.listen(BACKLOG)  # a client that reads the address may connect at once
    except (OSError, SystemExit) as error:
        place = f"{config.host}:{config.port}"
        text = f"{place} cannot be opened: choose another address by INGEST_ARCHIVE_HOST and INGEST_ARCHIVE_PORT"
        raise ConfigurationError(text) from error
    return opened


def _shown(host: str) -> str:
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 (shown, not bound)
        return "localhost"
    return f"[{host}]" if ":" in host else host
