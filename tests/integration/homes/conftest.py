"""Every home of a volume, for tests that all of them have to pass."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ingest.cli.local.nats_server import NATS_USER
from ingest.shared.artifacts.folder_home import FolderHome
from ingest.shared.broker.nats_bus import NatsBus
from ingest.shared.broker.nats_connection import BusOptions
from ingest.shared.broker.nats_files import NatsFiles
from ingest.shared.broker.topology import Topology, files_spec
from ingest.shared.homes.cache import Cache
from ingest.shared.homes.jetstream import JetStreamHome
from ingest.shared.homes.s3 import Bucket, S3Home
from tests.support import s3_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.cli.local.nats_server import EmbeddedNats
    from ingest.shared.artifacts.home import Home
    from tests.support.s3_server import S3Server

CACHE_BYTES = 100 << 20
FILES_BYTES = 200 << 20


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server.running(tmp_path_factory.mktemp("s3")) as server:
        S3Home(_bucket(server), Cache(tmp_path_factory.mktemp("none"), 0)).put("made/bucket", b"", None)
        yield server


@pytest.fixture
def bucket(s3: S3Server) -> Bucket:
    """A prefix of its own in a bucket."""
    return replace(_bucket(s3), prefix=uuid.uuid4().hex)


@pytest.fixture
def nats_bucket(nats_server: EmbeddedNats) -> Iterator[tuple[BusOptions, str]]:
    """A bucket of this test on NATS: how to reach the server, and its name."""
    name = f"files_{uuid.uuid4().hex}"
    options = BusOptions(nats_server.url, "test.files", user=NATS_USER, password=nats_server.password)
    wanted = Topology((files_spec(name, FILES_BYTES),), ())
    bus = NatsBus(options).connect()
    bus.provision(wanted)
    yield options, name
    bus.wipe(wanted)
    bus.close()


@pytest.fixture
def files(nats_bucket: tuple[BusOptions, str]) -> Iterator[Callable[[], NatsFiles]]:
    """A function that opens the bucket for one machine."""
    opened = list[NatsFiles]()

    def machine() -> NatsFiles:
        opened.append(NatsFiles(*nats_bucket))
        return opened[-1]

    yield machine
    for one in opened:
        one.close()


@pytest.fixture(params=["folder", "s3", "jetstream"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Home]:
    """A function that gives the same home on a machine of this name."""
    if request.param == "folder":
        return lambda _name: FolderHome(tmp_path / "volume")
    if request.param == "jetstream":
        files = request.getfixturevalue("files")
        return lambda name: JetStreamHome(files(), Cache(tmp_path / name, CACHE_BYTES))
    bucket = request.getfixturevalue("bucket")
    return lambda name: S3Home(bucket, Cache(tmp_path / name, CACHE_BYTES))


@pytest.fixture
def home(machine: Callable[[str], Home]) -> Home:
    return machine("one")


def _bucket(server: S3Server) -> Bucket:
    """Return a bucket, which the server makes at the first write."""
    return Bucket(
        name="archive",
        endpoint=server.endpoint,
        access_key=s3_server.ACCESS_KEY,
        secret_key=s3_server.SECRET_KEY,
    )
