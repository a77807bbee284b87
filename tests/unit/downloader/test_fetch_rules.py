"""The rules of the download stage: which lengths differ, a file's extension, and the error of an unreadable file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.check import AUDIO_ORIGIN
from ingest.downloader.fetch import Fetch, Pace, extension_of, probe
from ingest.downloader.sources.connector import Access, SiteOptions
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Metadata, Source, SourceKind, VideoAccessible
from ingest.shared.sandbox import child
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import DecodeLimits, off_s
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("duration_s", "announced_s", "off"),
    [
        pytest.param(100.0, 100.0, 0.0, id="as announced"),
        pytest.param(98.0, 100.0, 0.0, id="2 s less"),
        pytest.param(980.0, 1000.0, 0.0, id="2 % less"),
        pytest.param(0.5, 2.0, 0.0, id="of hardly any length"),
        pytest.param(1.0, None, 0.0, id="nothing announced"),
        pytest.param(97.9, 100.0, 2.1, id="more than 2 s less"),
        pytest.param(979.0, 1000.0, 21.0, id="more than 2 % less"),
        pytest.param(500.0, 100.0, -400.0, id="longer"),
        pytest.param(0.0, 3600.0, 3600.0, id="nothing"),
    ],
)
def test_an_announced_length_differs_by_more_than_2_percent_and_2_seconds(
    duration_s: float, announced_s: float | None, off: float
) -> None:
    assert off_s(duration_s, announced_s) == pytest.approx(off)


@pytest.mark.parametrize(
    ("path", "extension"),
    [
        ("/scratch/x/abc.webm", "webm"),
        ("abc.M4A", "m4a"),
        ("abc.tar.opus", "opus"),
        ("abc.mp3.exe", "bin"),
        ("abc", "bin"),
        (".mp3", "bin"),
        ("abc.mp3\n", "bin"),
        ("abc.", "bin"),
    ],
)
def test_only_known_extensions_enter_file_names(path: str, extension: str) -> None:
    assert extension_of(path) == extension


def test_a_file_that_cannot_be_read_is_an_error_of_the_volume(tmp_path: Path) -> None:
    """A link to itself stands for a stale handle: both are errors of the file system."""
    loop = tmp_path / "loop.webm"
    loop.symlink_to(loop)
    with pytest.raises(IngestError) as caught:
        child.run(probe, (str(loop), DecodeLimits()), ChildLimits(30.0))
    assert caught.value.code is Code.ENV_VOLUME


def test_a_file_that_is_on_the_volume_has_the_metadata_that_its_source_announced(tmp_path: Path) -> None:
    """As after a crash between the download and the next message: the site is not asked again."""
    volume = Volume(tmp_path / "volume")
    (tmp_path / "file").write_text("sound")
    announced = Metadata(title="As the site says", channel="A channel", published_at=datetime(2026, 5, 1, tzinfo=UTC))
    volume.keep("abcdefghijk", NewArtifact(tmp_path / "file", "audio", "bin", 5.0, AUDIO_ORIGIN, 1, announced))
    limits = ChildLimits(10)
    access = Access(SiteOptions((), 1.0, 1, 0.0), limits)
    fetch = Fetch(volume, tmp_path / "scratch", access, limits, DecodeLimits(), Pace(1.0, 1.0))
    message = VideoAccessible(
        video_id="abcdefghijk",
        generation=2,
        source=Source(kind=SourceKind.YOUTUBE, url="https://www.youtube.com/watch?v=abcdefghijk"),
        metadata=Metadata(title="As listed", min_speakers=2),
    )
    result = fetch(message, lambda _numbers: None)
    assert result.metadata == announced.model_copy(update={"min_speakers": 2, "duration_s": 5.0})
    assert result.numbers["fresh"] == 0.0


def test_a_manifest_of_an_earlier_version_has_no_metadata(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    (tmp_path / "file").write_text("sound")
    volume.keep("abcdefghijk", NewArtifact(tmp_path / "file", "audio", "bin", 5.0, AUDIO_ORIGIN, 1))
    manifest = on_disk(volume).folder("abcdefghijk") / "audio.json"
    assert set(json.loads(manifest.read_text())) == {"artifact", "origin", "generation"}
    found = volume.manifest("abcdefghijk", "audio")
    assert found is not None
    assert found.metadata == Metadata()
