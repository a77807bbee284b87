"""Which home of a volume the settings name, and the local copies of a remote one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ingest.shared.artifacts.folder_home import FolderHome
from ingest.shared.broker.connect import bus_topology
from ingest.shared.broker.names import Names
from ingest.shared.errors import ConfigurationError
from ingest.shared.homes.cache import IN_USE_S, Cache
from ingest.shared.homes.chosen import bucket_of, home_of
from ingest.shared.homes.jetstream import JetStreamHome
from ingest.shared.homes.s3 import S3Home
from ingest.shared.settings import Settings, load


@pytest.mark.parametrize("url", [None, "/somewhere/volume"])
def test_a_path_is_a_folder(tmp_path: Path, url: str | None) -> None:
    home = home_of(load(Settings, state_path=tmp_path, volume_url=url))
    assert isinstance(home, FolderHome)
    assert home.root == (tmp_path / "volume" if url is None else Path(url))


def test_a_bucket_is_an_object_store(tmp_path: Path) -> None:
    keys = {"volume_access_key": "id", "volume_secret_key": "secret"}
    settings = load(Settings, state_path=tmp_path, volume_url="s3://archive/a/b/", volume_region="eu-1", **keys)
    bucket = bucket_of(settings)
    assert (bucket.name, bucket.prefix, bucket.region, bucket.secret_key) == ("archive", "a/b", "eu-1", "secret")
    assert isinstance(home_of(settings), S3Home)
    assert "secret" not in repr(bucket)


def test_a_bucket_on_nats_needs_the_server_of_the_services(tmp_path: Path) -> None:
    settings = load(Settings, state_path=tmp_path, volume_url="nats://ingest_files", volume_bytes=10_000)
    (files,) = [spec for spec in bus_topology(settings).streams if spec.holds_files]
    assert (files.name, files.max_bytes) == ("OBJ_ingest_files", 10_000)
    assert Names("talks").topology(bus_topology(settings)).streams[-1].subjects == (
        "$O.talks_files.C.>",
        "$O.talks_files.M.>",
    )
    with pytest.raises(ConfigurationError, match="INGEST_NATS_URL"):
        home_of(settings)
    server = settings.model_copy(update={"nats_url": "nats://127.0.0.1:1"})
    first, second = home_of(server), home_of(server)
    assert isinstance(first, JetStreamHome)
    assert isinstance(second, JetStreamHome)
    assert first.files is second.files  # one connection


@pytest.mark.parametrize(
    ("url", "keys"),
    [
        pytest.param("s3://", {}, id="without bucket"),
        pytest.param("s3://id:secret@archive", {}, id="keys in the address"),
        pytest.param("s3://archive?secret=x", {}, id="query"),
        pytest.param("ftp://archive", {}, id="another scheme"),
        pytest.param("s3://[archive", {}, id="half an address"),
        pytest.param("s3://archive", {"volume_access_key": "id"}, id="half of the keys"),
        pytest.param("nats://id:secret@host:4222/archive", {}, id="an address of NATS"),
        pytest.param("nats://", {}, id="without bucket on NATS"),
    ],
)
def test_another_address_is_refused_and_not_shown(url: str, keys: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="INGEST_VOLUME_") as refused:
        home_of(load(Settings, volume_url=url, **keys))
    assert "secret=" not in str(refused.value)
    assert "id:" not in str(refused.value)


def test_copies_that_were_not_used_for_long_make_room(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 250)
    for age_s, name in ((3 * IN_USE_S, "oldest"), (2 * IN_USE_S, "older"), (0, "new")):
        with cache.new(name) as path:
            path.write_bytes(bytes(100))
        found = cache.find(name, 100)
        assert found is not None
        os.utime(found, (time.time() - age_s,) * 2)
    with cache.new("newest") as path:
        path.write_bytes(bytes(100))
    present = [name for name in ("oldest", "older", "new", "newest") if cache.find(name, 100)]
    assert present == ["new", "newest"]


def test_a_copy_in_use_is_not_deleted(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1)
    for name in ("one", "two"):
        with cache.new(name) as path:
            path.write_bytes(bytes(100))
    assert cache.find("one", 100)
    assert cache.find("two", 100)


def test_a_download_that_breaks_leaves_no_copy(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1000)

    def download() -> None:
        with cache.new("name") as path:
            path.write_bytes(bytes(50))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        download()
    assert cache.find("name", 50) is None
    assert list(tmp_path.iterdir()) == []
