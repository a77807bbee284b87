"""Homes of the volume for whole runs: the settings by which the command line finds an empty one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ingest.cli.local.nats_server import NATS_USER, EmbeddedNats
from ingest.shared.homes.cache import Cache
from ingest.shared.homes.s3 import Bucket, S3Home
from tests.faults.homes import HomeName
from tests.support import s3_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VOLUME_MB = 1024  # of each of the store's eight files: bytes of removed objects stay in them for long


@contextmanager
def home_settings(home: HomeName, folder: Path) -> Iterator[dict[str, str]]:
    """Give the settings of a home, whose server runs for the block."""
    if home is HomeName.S3:
        with _in_store(folder / "store") as settings:
            yield settings
    elif home is HomeName.JETSTREAM:
        server = EmbeddedNats(folder / "broker")
        login = {"INGEST_NATS_USER": NATS_USER, "INGEST_NATS_PASSWORD": server.password}
        yield {"INGEST_VOLUME_URL": "nats://ingest_files", "INGEST_NATS_URL": server.url, **login}
        server.stop()
    else:
        yield {}


@contextmanager
def _in_store(folder: Path) -> Iterator[dict[str, str]]:
    folder.mkdir()
    with s3_server.running(folder, VOLUME_MB) as server:
        bucket = Bucket("archive", "made", server.endpoint, None, s3_server.ACCESS_KEY, s3_server.SECRET_KEY)
        S3Home(bucket, Cache(folder / "none", 0)).put("made/bucket", b"", None)  # the first write makes it
        yield {
            "INGEST_VOLUME_URL": "s3://archive/ingest",
            "INGEST_VOLUME_ENDPOINT": server.endpoint,
            "INGEST_VOLUME_ACCESS_KEY": s3_server.ACCESS_KEY,
            "INGEST_VOLUME_SECRET_KEY": s3_server.SECRET_KEY,
        }
