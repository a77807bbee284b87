"""The broker and the database of a fleet, the network between them and the workers, and faults of all three."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import psycopg

from ingest.cli.local.nats_server import EmbeddedNats
from ingest.cli.local.postgres.data_folder import DATABASE
from ingest.cli.local.postgres.server import EmbeddedPostgres
from ingest.shared.errors import ConfigurationError
from tests.faults.homes import ON_NATS, HomeName, Store
from tests.faults.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

STARTS = 20


class Servers:
    """A nats-server and a Postgres in `folder`, and an S3 server where it is the home; each also behind a proxy."""

    def __init__(self, folder: Path, home: HomeName = HomeName.FOLDER) -> None:
        self._folder = folder
        self._home = home
        self.nats = EmbeddedNats(folder / "nats")
        self.postgres = EmbeddedPostgres(folder / "postgres")
        host, port = self.nats.url.removeprefix("nats://").split(":")
        sockets = self.postgres.url.partition("host=")[2]
        self.to_nats = Proxy(lambda: asyncio.open_connection(host, int(port)))
        self.to_postgres = Proxy(lambda: asyncio.open_unix_connection(f"{sockets}/.s.PGSQL.5432"))
        self.proxies = {"nats-server": self.to_nats, "Postgres": self.to_postgres}
        self._store = Store(folder / "store") if home is HomeName.S3 else None
        if self._store:
            self.proxies["S3 server"] = self._store.network

    @property
    def store(self) -> Store:
        """Return the S3 server; only its own rows ask for it."""
        assert self._store is not None, f"a volume on {self._home} has no S3 server"
        return self._store

    def addresses(self, *, proxied: bool) -> dict[str, str]:
        """Return the settings with the addresses of the servers, or of the proxies before them."""
        volume = ON_NATS if self._home is HomeName.JETSTREAM else {}
        if self._store:
            volume = self._store.settings(proxied=proxied)
        if not proxied:
            return {"nats_url": self.nats.url, "database_url": self.postgres.url, **volume}
        return {
            **volume,
            "nats_url": f"nats://127.0.0.1:{self.to_nats.port}",
            "database_url": f"postgresql://postgres@127.0.0.1:{self.to_postgres.port}/{DATABASE}",
        }

    @contextlib.contextmanager
    def broker_away(self, how: signal.Signals = signal.SIGKILL, *, wipe: bool = False) -> Iterator[None]:
        """End the broker for the time of a block; with `wipe` it restarts without data."""
        self.nats.process.send_signal(how)
        self.nats.process.wait()
        try:
            yield
        finally:
            if wipe:
                shutil.rmtree(self._folder / "nats" / "jetstream")
            self.nats.restart()

    @contextlib.contextmanager
    def postgres_away(self, how: signal.Signals = signal.SIGKILL) -> Iterator[None]:
        """End Postgres for the time of a block."""
        self.postgres.process.send_signal(how)
        self.postgres.process.wait()
        try:
            yield
        finally:
            self.start_postgres()

    def start_postgres(self) -> None:
        """Start Postgres when it has ended."""
        for _ in range(STARTS):  # its orphans hold the shared memory for a moment
            try:
                self.postgres.restart()
            except ConfigurationError:
                time.sleep(0.5)
            else:
                return
        raise TimeoutError("Postgres does not start again")

    def postgres_frozen(self) -> contextlib.AbstractContextManager[None]:
        """Freeze Postgres and all its backends for the time of a block."""
        return _frozen(self.postgres_processes())

    def postgres_processes(self) -> list[int]:
        """Return the process ids of Postgres and its backends."""
        parent = self.postgres.process.pid
        children = subprocess.run(["/usr/bin/pgrep", "-P", str(parent)], capture_output=True, text=True, check=False)
        return [parent, *map(int, children.stdout.split())]

    def broker_frozen(self) -> contextlib.AbstractContextManager[None]:
        """Freeze the broker for the time of a block."""
        return _frozen([self.nats.process.pid])

    @contextlib.contextmanager
    def postgres_read_only(self) -> Iterator[None]:
        """Make Postgres refuse every write for the time of a block."""
        self._set_read_only("on")
        try:
            yield
        finally:
            self._set_read_only("off")

    def _set_read_only(self, value: str) -> None:
        with self.connection() as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
            connection.execute("SELECT pg_reload_conf()")

    def connection(self) -> psycopg.Connection:
        """Return a new connection, for readers and for faults."""
        return psycopg.connect(self.postgres.url, autocommit=True)

    def stop(self) -> None:
        """End everything."""
        self.to_nats.close()
        self.to_postgres.close()
        if self._store:
            self._store.stop()
        self.nats.stop()
        self.postgres.stop()


@contextlib.contextmanager
def _frozen(processes: Iterable[int]) -> Iterator[None]:
    stopped = list(processes)
    for process in stopped:
        _send(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            _send(process, signal.SIGCONT)


def _send(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)
