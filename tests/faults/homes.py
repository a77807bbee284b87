"""The home of the volume that a fleet works on: a folder, an object store, or a bucket on the broker.

On the last two, no two workers share a folder: each is a machine of its own, with its copies and its scratch.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ingest.shared.broker.topology import FILES_BUCKET
from ingest.shared.homes.cache import Cache
from ingest.shared.homes.s3 import Bucket, S3Home
from tests.faults.proxy import Proxy
from tests.support import s3_server
from tests.support.lying_store import lying

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.shared.artifacts.home import Home
    from tests.support.lying_store import Lie

BUCKET = "archive"
FILES_BYTES = 64 << 20


class HomeName(StrEnum):
    """A home of the volume."""

    FOLDER = "folder"
    S3 = "s3"
    JETSTREAM = "jetstream"


ON_NATS = {"volume_url": f"nats://{FILES_BUCKET}", "volume_bytes": str(FILES_BYTES)}


class Store:
    """A real S3 server, before it a proxy that lies when a row makes it lie, and before that a network."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._opened = ExitStack()
        self.server = self._opened.enter_context(s3_server.running(folder))
        self._liar = self._opened.enter_context(lying(self.server.endpoint))
        port = urlsplit(self._liar.endpoint).port
        self.network = Proxy(lambda: asyncio.open_connection("127.0.0.1", port))
        self._opened.callback(self.network.close)
        self._make_bucket()

    def _make_bucket(self) -> None:
        """Write once: the server makes the bucket for it."""
        bucket = Bucket(BUCKET, "made", self._liar.endpoint, None, s3_server.ACCESS_KEY, s3_server.SECRET_KEY)
        with tempfile.TemporaryDirectory() as none:
            S3Home(bucket, Cache(Path(none), 0)).put("made/bucket", b"", None)

    def settings(self, *, proxied: bool) -> dict[str, str]:
        """Return the settings of a client, or of one behind the network that can be harmed."""
        return {
            "volume_url": f"s3://{BUCKET}/faults",
            "volume_endpoint": f"http://127.0.0.1:{self.network.port}" if proxied else self._liar.endpoint,
            "volume_access_key": s3_server.ACCESS_KEY,
            "volume_secret_key": s3_server.SECRET_KEY,
        }

    @contextmanager
    def telling(self, lie: Lie) -> Iterator[None]:
        """Make the store lie for the time of a block."""
        self._liar.lie = lie
        try:
            yield
        finally:
            self._liar.lie = None
            self._liar.asked.clear()

    @contextmanager
    def away(self, how: signal.Signals = signal.SIGKILL) -> Iterator[None]:
        """End the server for the time of a block."""
        self.server.end(how)
        try:
            yield
        finally:
            self.server.start()

    def stop(self) -> None:
        """End everything."""
        self._opened.close()


def replace_content(home: Home, name: str, data: bytes) -> None:
    """Write other content in the place of a file, as no service does it."""
    home.put(name, data, home.version(name))


def content_of(home: Home, name: str) -> bytes:
    """Return what a home has, and not what a copy has."""
    return home.read(name, 0, home.size(name) or 0)
