"""What the tests of bad inputs share: a bad web server, the downloader with small limits, a stage at work.

The number that begins the id of a test is that of its row in the table of bad inputs: every row from 1 to 61 has its
code here, and shows that the next message has its turn. What cannot be run as it happens:

    13 to 19, 30   YouTube cannot be asked: an extractor of ours says in a real yt-dlp what YouTube would say
    43             ten hours are announced, not decoded: one hour shows that none of it stays in memory
    49             the recognizer is a stand-in that is not sure of the language; the speech is real
    50 to 52       there is no GPU: its real words are said by the real recognizer, from the place of the library's call
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.check import Check
from ingest.downloader.fetch import Fetch, Pace
from ingest.downloader.ytdlp import SiteOptions
from ingest.shared.artifacts.volume import Volume
from ingest.shared.errors import IngestError
from ingest.shared.messages import Metadata, Source, SourceKind, VideoAccessible, VideoRequested
from ingest.shared.sandbox import child
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import DecodeLimits
from tests.integration.bad_inputs import site as sites
from tests.integration.bad_inputs.line import Line
from tests.integration.bad_inputs.recordings import encoded
from tests.support import disks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.worker.stage import Done

VIDEO_ID = "abcdefghijk"
GOOD_ID = "goodfriday7"
LARGEST_BYTES = 400_000
SITE_PAUSE_S = 3600.0
OPTIONS = SiteOptions(("youtube.*",), socket_timeout_s=0.5, max_bytes=LARGEST_BYTES, site_pause_s=SITE_PAUSE_S)


def pytest_collection_finish() -> None:
    """Have what children need imported once, in the process they are forked from."""
    child.preload("ingest.downloader.ytdlp", "ingest.shared.sandbox.decode", "ingest.asr.audio")


@pytest.fixture
def site() -> Iterator[sites.Site]:
    """A web server at the one private address that may be reached."""
    with sites.running() as running:
        yield running


@pytest.fixture
def forbidden_site() -> Iterator[sites.Site]:
    """A web server at a private address that must not be reached."""
    with sites.running("127.0.0.2") as running:
        yield running


@pytest.fixture(scope="session")
def webm(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A good recording of 12 s."""
    return encoded(tmp_path_factory.mktemp("webm") / "good.webm", "libopus").read_bytes()


def requested(url: str, video_id: str = VIDEO_ID, kind: SourceKind = SourceKind.MEDIA) -> VideoRequested:
    """Return a message for the check stage."""
    return VideoRequested(video_id=video_id, source=Source(kind=kind, url=url))


def accessible(url: str, video_id: str = VIDEO_ID, kind: SourceKind = SourceKind.MEDIA) -> VideoAccessible:
    """Return a message for the download stage."""
    return VideoAccessible(video_id=video_id, source=Source(kind=kind, url=url))


@dataclass(frozen=True)
class Downloader:
    """The two handlers of the downloader, put together as its service does, with limits for small files."""

    volume: Volume
    scratch: Path
    files: Path

    @property
    def check(self) -> Check:
        limits = ChildLimits(30.0, memory_bytes=0, network=True, hosts=("127.0.0.1",))
        return Check(self.volume, OPTIONS, limits, (self.files,), max_duration_s=3600.0)

    @property
    def fetch(self) -> Fetch:
        return Fetch(
            volume=self.volume,
            scratch=self.scratch,
            options=OPTIONS,
            site_limits=ChildLimits(
                30.0, memory_bytes=0, file_bytes=2 * LARGEST_BYTES, network=True, hosts=("127.0.0.1",)
            ),
            probe_limits=ChildLimits(30.0),
            decode_limits=DecodeLimits(max_duration_s=120.0),
            pace=Pace(min_bytes_s=1000.0, window_s=1.0),  # sooner than four timeouts of a socket
            file_roots=(self.files,),
        )

    def checked(self, url: str, kind: SourceKind = SourceKind.MEDIA) -> Done:
        return self.check(requested(url, kind=kind), lambda _: None)

    def fetched(self, url: str, kind: SourceKind = SourceKind.MEDIA, announced_s: float | None = None) -> Done:
        message = accessible(url, kind=kind)
        return self.fetch(message.model_copy(update={"metadata": Metadata(duration_s=announced_s)}), lambda _: None)

    def refusal(self, stage: str, url: str, kind: SourceKind = SourceKind.MEDIA) -> IngestError:
        """Return the error of a stage, having seen that it leaves nothing behind."""
        with pytest.raises(IngestError) as caught:
            self.checked(url, kind) if stage == "check" else self.fetched(url, kind)
        assert not self.scratch.exists() or list(self.scratch.iterdir()) == []
        assert self.volume.manifest(VIDEO_ID, "audio") is None
        return caught.value


@pytest.fixture
def downloader(tmp_path: Path) -> Downloader:
    files = tmp_path / "files"
    files.mkdir()
    return Downloader(Volume(tmp_path / "volume"), tmp_path / "scratch", files)


@pytest.fixture
def line(bus: NatsBus, tmp_path: Path) -> Iterator[Line]:
    """A stage on a real broker; it is stopped after the test."""
    made = Line(bus, tmp_path / "journal")
    yield made
    made.stop()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB. (The test with /dev/full shows anywhere what a full disk says.)"""
    with mounted(tmp_path / "small", "64k") as folder:
        yield folder


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """Give a file system of this size. Where none may be mounted, the test is skipped, but in CI, which may, fails."""
    try:
        with disks.small_disk(folder, size):
            yield folder
    except disks.NoRightToMountError as error:
        reason = f"no right to mount a small disk: {error}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
