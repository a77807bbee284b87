"""A process is killed before and after every step of an upload: nothing is lost, doubled or half."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from ingest.shared.artifacts.home import TEMPORARY_PREFIX
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.broker.nats_files import NatsFiles
from ingest.shared.homes.cache import Cache
from ingest.shared.homes.jetstream import JetStreamHome
from ingest.shared.homes.s3 import Bucket, S3Home
from tests.support.lying_store import Answer, Forward, LyingStore, Request, lying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingest.shared.artifacts.home import Home
    from ingest.shared.broker.nats_connection import BusOptions
    from tests.support.s3_server import S3Server

pytestmark = pytest.mark.long  # a process for each of the twelve points of each home
ID = "abcdefghijk"
FIRST, SECOND = b"first" * 1000, bytes(9 << 20)  # the second one is uploaded in parts
POINTS = 12
LIMIT_S = 60.0
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload([__name__])


class Attempt(Protocol):
    """An upload in a process of its own, which is killed at a point."""

    def home(self) -> Home:
        """Return the home, in whatever process this is."""

    def arm(self, point: int) -> Attempt:
        """Return the attempt that is killed at a point: the even ones are before a step, the odd ones after it."""

    def begun(self, number: int) -> None:
        """Note the process."""


class MortalFiles(NatsFiles):
    """A bucket on NATS that kills its process at a step."""

    point = -1

    def add_chunks(self, *arguments: Any) -> list[int]:  # noqa: ANN401 (passed on)
        return list(self._step(lambda: super(MortalFiles, self).add_chunks(*arguments)))

    def replace(self, *arguments: Any) -> bool:  # noqa: ANN401 (passed on)
        return bool(self._step(lambda: super(MortalFiles, self).replace(*arguments)))

    def drop_chunks(self, place: str) -> None:
        self._step(lambda: super(MortalFiles, self).drop_chunks(place))

    def _step(self, do: Callable[[], Any]) -> Any:  # noqa: ANN401 (passed on)
        if self.point == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        done = do()
        if self.point == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        self.point -= 2
        return done


@dataclass(frozen=True)
class OnNats:
    """An upload to a bucket on NATS."""

    options: BusOptions
    bucket: str
    copies: str
    point: int = -1

    def home(self) -> Home:
        files = MortalFiles(self.options, self.bucket)
        files.point = self.point
        return JetStreamHome(files, Cache(Path(self.copies), 1 << 30))

    def arm(self, point: int) -> OnNats:
        return replace(self, point=point)

    def begun(self, number: int) -> None:
        """It kills itself."""


@dataclass(frozen=True)
class OnS3:
    """An upload to an object store, through a proxy that kills the process."""

    bucket: Bucket
    copies: str

    def home(self) -> Home:
        return S3Home(self.bucket, Cache(Path(self.copies), 1 << 30))

    def arm(self, point: int) -> OnS3:
        KILLER.point = point
        return self

    def begun(self, number: int) -> None:
        KILLER.process = number


@dataclass
class Killer:
    """What the proxy knows."""

    point: int = -1
    process: int | None = None

    def lie(self, request: Request, forward: Forward) -> Answer:
        """Pass a request on, and kill the process before or after one."""
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
            pass
        os.kill(self.process, signal.SIGKILL)


KILLER = Killer()


@pytest.fixture
def on_s3(s3: S3Server, bucket: Bucket, tmp_path: Path) -> Iterator[OnS3]:
    with lying(s3.endpoint) as store:
        assert isinstance(store, LyingStore)
        store.lie = KILLER.lie
        yield OnS3(replace(bucket, endpoint=store.endpoint), str(tmp_path / "copies"))


@pytest.fixture
def on_nats(nats_bucket: tuple[BusOptions, str], tmp_path: Path) -> OnNats:
    return OnNats(*nats_bucket, str(tmp_path / "copies"))


def keep(home: Home, content: bytes, folder: Path, generation: int) -> None:
    file = folder / f"source-{os.getpid()}"
    file.unlink(missing_ok=True)
    file.write_bytes(content)
    Volume(home).keep(ID, NewArtifact(file, "audio", "mp3", 1.0, "audio-1", generation))


def work(attempt: Attempt, folder: Path) -> None:
    """Do what a killed process did."""
    keep(attempt.home(), SECOND, folder, 2)


def is_killed(attempt: Attempt, folder: Path) -> bool:
    """Upload in another process; return whether it was killed."""
    process = SERVER.Process(target=work, args=(attempt, folder))
    process.start()
    attempt.begun(process.pid or 0)
    process.join(LIMIT_S)
    assert process.exitcode in {0, -signal.SIGKILL}
    return process.exitcode != 0


def require_whole(home: Home) -> None:
    """Require one manifest, whose file is as it was written, and no file that is not what its name says."""
    volume = Volume(home)
    found = volume.find(ID, "audio", "audio-1")
    assert found is not None
    assert volume.verified(found).read_bytes() in {FIRST, SECOND}
    entries = [entry for entry in home.list("videos/") if TEMPORARY_PREFIX not in entry.name]
    assert [entry.name.endswith("/audio.json") for entry in entries].count(True) == 1
    for entry in entries:
        if not entry.name.endswith(".json"):
            digest = hashlib.sha256(home.read(entry.name, 0, entry.size_bytes)).hexdigest()
            assert f"audio-{digest[:16]}." in entry.name


@pytest.mark.parametrize("kind", ["s3", "nats"])
def test_a_process_that_is_killed_at_any_point_of_an_upload_leaves_whole_files(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    attempt: Attempt = request.getfixturevalue(f"on_{kind}")
    for point in range(POINTS):
        home = attempt.arm(-1).home()
        keep(home, FIRST, tmp_path, 1)
        assert is_killed(attempt.arm(point), tmp_path), f"the upload has no point {point}"
        require_whole(home)
        assert not is_killed(attempt.arm(-1), tmp_path)
        require_whole(home)
        volume = Volume(home)
        volume.discard_older(ID, "audio")
        for entry in list(home.list("videos/")):
            if TEMPORARY_PREFIX in entry.name:
                home.remove(entry.name)
        manifest = volume.manifest(ID, "audio")
        assert manifest is not None
        assert manifest.generation == 2
        assert sorted(entry.name for entry in home.list("videos/")) == [
            manifest.artifact.path,
            f"{volume.folder(ID)}/audio.json",
        ]
        home.remove(volume.folder(ID))
        if isinstance(home, JetStreamHome):
            home.files.close()
