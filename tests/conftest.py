"""Real servers for the tests: a nats-server and a Postgres with pgvector, started once and emptied for each test."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import signal
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import settings as examples
from psycopg import sql
from pydantic import SecretStr

from ingest.cli.local.nats_server import NATS_USER, EmbeddedNats
from ingest.cli.local.postgres.server import EmbeddedPostgres
from ingest.embedder.postgres.database import Database
from ingest.embedder.postgres.migrate import migrate
from ingest.shared.broker.nats_bus import NatsBus
from ingest.shared.broker.nats_connection import BusOptions
from ingest.shared.broker.topology import Topology, topology
from ingest.shared.telemetry import logs
from tests.support.brokers import ACK_WAIT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOT_NEEDED = ("autovacuum", "fsync", "full_page_writes")  # for databases of one test each

# how long an example takes says how busy the machine is
examples.register_profile("ingest", examples.default, deadline=None)
examples.load_profile("ingest")
_numbers = itertools.count()


def pytest_collection_finish() -> None:
    """Leave what is there before the tests out of each search for garbage: it is millions of objects."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Remove the settings of the developer's environment, and keep the tests off the network.

    The home folder is another one for each test, and is made when something is written there: most tests have no files.
    """
    for name in list(os.environ):
        if name.startswith("INGEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HOME", str(tmp_path_factory.getbasetemp() / "homes" / str(next(_numbers))))
    logs.configure(json_lines=True, level="DEBUG")


@pytest.fixture(scope="session")
def nats_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the files of the nats-server."""
    return tmp_path_factory.mktemp("nats")


@pytest.fixture(scope="session")
def nats_server(nats_folder: Path) -> Iterator[EmbeddedNats]:
    server = EmbeddedNats(nats_folder)
    yield server
    server.stop()


@pytest.fixture
def test_topology() -> Topology:
    return topology(ack_wait_s=ACK_WAIT_S, check_limit=20, download_limit=12, work_bytes=64 << 20)


@pytest.fixture
def connect_bus(nats_server: EmbeddedNats) -> Iterator[Callable[[], NatsBus]]:
    """A function that opens connections, all of them closed after the test."""
    opened: list[NatsBus] = []

    def connect() -> NatsBus:
        options = BusOptions(
            url=nats_server.url,
            name=f"test.{next(_numbers)}",
            ack_wait_s=ACK_WAIT_S,
            patience_s=20.0,
            user=NATS_USER,
            password=nats_server.password,
        )
        opened.append(NatsBus(options).connect())
        return opened[-1]

    yield connect
    for bus in opened:
        bus.close()


@pytest.fixture
def bus(connect_bus: Callable[[], NatsBus], test_topology: Topology) -> NatsBus:
    """A connection to a broker whose streams are new and empty."""
    made = connect_bus()
    made.wipe(test_topology)
    made.provision(test_topology)
    return made


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    with psycopg.connect(server.url, autocommit=True) as connection:
        for name in NOT_NEEDED:
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(name)))
        connection.execute("SELECT pg_reload_conf()")
    with _database(server.url) as template:
        migrate(template)
    yield server
    server.process.send_signal(signal.SIGQUIT)  # without a checkpoint of hundreds of databases
    server.process.wait()
    server.stop()


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> str:
    """The address of a database of the present schema, empty, for this test alone."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres.url.replace("/ingest?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE ingest STRATEGY FILE_COPY")
    return postgres.url.replace("/ingest?", f"/{name}?")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with _database(database_url) as opened:
        yield opened


def _database(url: str) -> Database:
    return Database(SecretStr(url), password=None, size=8, timeout_s=20.0, name="test").open()


@pytest.fixture(scope="session")
def program() -> Callable[[str, str], str]:
    """A function that finds a program; without it the test is skipped, but in CI, which installs everything, fails."""

    def find(name: str, package: str) -> str:
        path = shutil.which(name)
        if path is None:
            reason = f"needs {name}: apt-get install {package}"
            assert not os.environ.get("CI"), reason
            pytest.skip(reason)
        return path

    return find


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """A function that waits until a condition holds, and fails after 30 s."""

    def wait(condition: Callable[[], bool], limit_s: float = 30.0) -> None:
        deadline = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true in time"
            time.sleep(0.05)

    return wait
