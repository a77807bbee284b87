"""Fixtures of the tests of bad inputs: a faulty web server, the downloader with small limits, a running stage.

The number at the start of a test's id is its row in the table of bad inputs: each row from 1 to 61 has its code here,
and a test that the next message is handled. These rows are simulated:

    13 to 19, 30   YouTube cannot be reached: an extractor of ours gives YouTube's replies to a real yt-dlp
    43             ten hours are announced, not decoded: one hour shows that decoded audio does not stay in memory
    49             the recognizer is a stand-in with a low language probability; the speech is real
    50 to 52       there is no GPU: the real recognizer raises the real error texts, where the library would raise them
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.check import Check
from ingest.downloader.fetch import Fetch, Pace
from ingest.downloader.sources.connector import Access, SiteOptions
from ingest.shared.artifacts.volume import Volume
from ingest.shared.errors import IngestError
from ingest.shared.messages import Metadata, Source, SourceKind, VideoAccessible, VideoRequested
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import DecodeLimits
from tests.integration.bad_inputs import site as sites
from tests.integration.bad_inputs.recordings import encoded
from tests.support import disks
from tests.support.stage_line import Line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.worker.stage import StageResult

VIDEO_ID = "abcdefghijk"
GOOD_ID = "goodfriday7"
LARGEST_BYTES = 400_000
SITE_PAUSE_S = 3600.0
OPTIONS = SiteOptions(("youtube.*",), socket_timeout_s=0.5, max_bytes=LARGEST_BYTES, site_pause_s=SITE_PAUSE_S)


@pytest.fixture
def site() -> Iterator[sites.Site]:
    """A web server at the only private address that may be reached."""
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
    """The two handlers of the downloader, built as in its service, with limits for small files."""

    volume: Volume
    scratch: Path
    files: Path

    @property
    def check(self) -> Check:
        limits = ChildLimits(30.0, memory_bytes=0, network=True, hosts=("127.0.0.1",))
        return Check(self.volume, Access(OPTIONS, limits, (self.files,)), max_duration_s=3600.0)

    @property
    def fetch(self) -> Fetch:
        limits = ChildLimits(30.0, memory_bytes=0, file_bytes=2 * LARGEST_BYTES, network=True, hosts=("127.0.0.1",))
        return Fetch(
            volume=self.volume,
            scratch=self.scratch,
            access=Access(OPTIONS, limits, (self.files,)),
            probe_limits=ChildLimits(30.0),
            decode_limits=DecodeLimits(max_duration_s=120.0),
            pace=Pace(min_bytes_s=1000.0, window_s=1.0),  # less than four timeouts of a socket
        )

    def checked(self, url: str, kind: SourceKind = SourceKind.MEDIA) -> StageResult:
        return self.check(requested(url, kind=kind), lambda _: None)

    def fetched(self, url: str, kind: SourceKind = SourceKind.MEDIA, announced_s: float | None = None) -> StageResult:
        message = accessible(url, kind=kind)
        return self.fetch(message.model_copy(update={"metadata": Metadata(duration_s=announced_s)}), lambda _: None)

    def refusal(self, stage: str, url: str, kind: SourceKind = SourceKind.MEDIA) -> IngestError:
        """Return the error of a stage; assert that it leaves nothing behind."""
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
    """A file system of 64 KiB. (The test with /dev/full covers a full disk on any machine.)"""
    with mounted(tmp_path / "small", "64k") as folder:
        yield folder


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system of this size. Without the right to mount, the test is skipped; in CI it fails."""
    try:
        with disks.small_disk(folder, size):
            yield folder
    except disks.NoRightToMountError as error:
        reason = f"no right to mount a small disk: {error}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
