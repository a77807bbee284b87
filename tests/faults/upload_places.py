"""The places of row 1b (`uploads.py`): homes of a volume in which a process is killed at a step of an upload."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ingest.cli.local.nats_server import NATS_USER, EmbeddedNats
from ingest.shared.artifacts.folder_home import FolderHome
from ingest.shared.broker.nats_bus import NatsBus
from ingest.shared.broker.nats_connection import BusOptions
from ingest.shared.broker.nats_files import NatsFiles
from ingest.shared.broker.topology import FILES_BUCKET, Topology, files_spec
from ingest.shared.homes.cache import Cache
from ingest.shared.homes.jetstream import JetStreamHome
from ingest.shared.homes.s3 import Bucket, S3Home
from tests.faults.around import around
from tests.support import s3_server
from tests.support.lying_store import Answer, Forward, Request, lying

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.shared.artifacts.home import Home

NOWHERE = -1
POLL_S = 0.001
COPIES_BYTES = 1 << 30
COUNTING = threading.Lock()  # parts are uploaded at the same time


class Place(Protocol):
    """A home in which a process uploads, and is killed at a point."""

    def home(self) -> Home:
        """Return the home, in whatever process this is."""

    def arm(self, point: int) -> None:
        """Arm a kill in this process: the even points are before a step, the odd ones after it."""

    def expect(self, point: int) -> None:
        """Note in the process of the harness at which point the next one is to be killed."""

    def begun(self, process: int) -> None:
        """Note that it has begun, and its number."""


@dataclass
class Countdown:
    """Kills a process before or after a step."""

    point: int

    def before(self, *_: object) -> None:
        """Note that a step begins."""
        if self.point == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def after(self, *_: object) -> None:
        """Note that a step has ended."""
        if self.point == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        self.point -= 2


@dataclass(frozen=True)
class FolderPlace:
    """A folder: a step is a call of fsync or rename."""

    root: Path

    def home(self) -> Home:
        return FolderHome(self.root)

    def arm(self, point: int) -> None:
        steps = Countdown(point)
        around(os, "fsync", steps.before, steps.after)
        around(Path, "replace", steps.before, steps.after)

    def expect(self, point: int) -> None:
        """It kills itself."""

    def begun(self, process: int) -> None:
        """It kills itself."""


@dataclass(frozen=True)
class NatsPlace:
    """A bucket on NATS: a step stores chunks or an info, or deletes chunks."""

    options: BusOptions
    copies: Path

    def home(self) -> Home:
        return JetStreamHome(NatsFiles(self.options, FILES_BUCKET), Cache(self.copies, COPIES_BYTES))

    def arm(self, point: int) -> None:
        steps = Countdown(point)
        for name in ("add_chunks", "replace", "drop_chunks"):
            around(NatsFiles, name, steps.before, steps.after)

    def expect(self, point: int) -> None:
        """It kills itself."""

    def begun(self, process: int) -> None:
        """It kills itself."""


@dataclass
class Killer:
    """What a proxy knows that kills a process at a request."""

    point: int = NOWHERE
    process: int | None = None

    def lie(self, request: Request, forward: Forward) -> Answer:
        """Pass a request on, and kill the process before or after one."""
        with COUNTING:
            before, after, self.point = self.point == 0, self.point == 1, self.point - 2
        if before:
            self._kill()
            return Answer(500, {}, b"", loses=True)
        answer = forward(request)
        if after:
            self._kill()
        return answer

    def _kill(self) -> None:
        while self.process is None:
            time.sleep(POLL_S)
        os.kill(self.process, signal.SIGKILL)


@dataclass(frozen=True)
class StorePlace:
    """A bucket in an object store, behind a proxy: a step is a request."""

    bucket: Bucket
    copies: Path
    killer: Killer = field(default_factory=Killer)

    def home(self) -> Home:
        return S3Home(self.bucket, Cache(self.copies, COPIES_BYTES))

    def arm(self, point: int) -> None:
        """The proxy kills it."""

    def expect(self, point: int) -> None:
        self.killer.point, self.killer.process = point, None

    def begun(self, process: int) -> None:
        self.killer.process = process


@contextmanager
def in_folder(folder: Path) -> Iterator[Place]:
    """Give a folder."""
    yield FolderPlace(folder / "volume")


@contextmanager
def in_store(folder: Path) -> Iterator[Place]:
    """Give a bucket of an S3 server, behind a proxy that kills."""
    (folder / "store").mkdir()
    with s3_server.running(folder / "store") as server, lying(server.endpoint) as store:
        bucket = Bucket("archive", "made", store.endpoint, None, s3_server.ACCESS_KEY, s3_server.SECRET_KEY)
        place = StorePlace(bucket, folder / "copies")
        place.home().put("made/bucket", b"", None)  # the first write makes it
        store.lie = place.killer.lie
        yield place


@contextmanager
def on_nats(folder: Path) -> Iterator[Place]:
    """Give a bucket of a NATS server."""
    server = EmbeddedNats(folder / "nats")
    try:
        options = BusOptions(server.url, "files.uploads", user=NATS_USER, password=server.password)
        bus = NatsBus(options).connect()
        bus.provision(Topology((files_spec(FILES_BUCKET),), ()))
        bus.close()
        yield NatsPlace(options, folder / "copies")
    finally:
        server.stop()
