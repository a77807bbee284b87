"""Every home of a volume, for tests that all of them have to pass."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ingest.shared.artifacts.folder_home import FolderHome
from ingest.shared.homes.cache import Cache
from ingest.shared.homes.s3 import Bucket, S3Home
from tests.support import s3_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.shared.artifacts.home import Home
    from tests.support.s3_server import S3Server

CACHE_BYTES = 100 << 20


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server.running(tmp_path_factory.mktemp("s3")) as server:
        S3Home(_bucket(server), Cache(tmp_path_factory.mktemp("none"), 0)).put("made/bucket", b"", None)
        yield server


@pytest.fixture
def bucket(s3: S3Server) -> Bucket:
    """A prefix of its own in a bucket."""
    return replace(_bucket(s3), prefix=uuid.uuid4().hex)


@pytest.fixture(params=["folder", "s3"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Home]:
    """A function that gives the same home on a machine of this name."""
    if request.param == "folder":
        return lambda _name: FolderHome(tmp_path / "volume")
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
