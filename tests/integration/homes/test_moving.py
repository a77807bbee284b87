"""Moving a volume from a folder to an object store and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingest.asr.speakers.profiles import Profiles
from ingest.cli.app import app
from ingest.shared.artifacts import vocabulary
from ingest.shared.artifacts.folder_home import FolderHome
from ingest.shared.artifacts.vocabulary import Entry
from ingest.shared.artifacts.volume import KINDS, NewArtifact, Volume
from ingest.shared.errors import Code, IngestError
from ingest.shared.homes import moving
from ingest.shared.homes.cache import Cache
from ingest.shared.homes.s3 import S3Home
from tests.support import s3_server
from tests.support.command_line import CommandLine
from tests.support.on_disk import on_disk
from tests.unit.asr.speakers.test_profiles import profile

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.shared.homes.s3 import Bucket

IDS = ("abcdefghijk", "-bbbbbbbbb_")


@pytest.fixture
def source(tmp_path: Path) -> Volume:
    """A volume with two recordings, a profile, and files that belong to none of them."""
    volume = Volume(tmp_path / "volume")
    for video in IDS:
        (tmp_path / "file").write_bytes(video.encode() * 1000)
        volume.keep(video, NewArtifact(tmp_path / "file", "audio", "mp3", 1.0, "audio-1", 1))
    Profiles(volume.home).keep(profile())
    vocabulary.write(volume.home, lambda: (Entry(text="Ada"),))
    root = on_disk(volume).root
    (root / "scratch").mkdir()
    (root / "scratch" / "left").touch()
    (on_disk(volume).folder(IDS[0]) / ".tmp-left").touch()
    return volume


def test_a_volume_moves_to_a_bucket_and_back(source: Volume, bucket: Bucket, tmp_path: Path) -> None:
    there = S3Home(bucket, Cache(tmp_path / "copies", 1 << 30))
    first = moving.copy(source.home, there)
    assert (first.copied, first.present, first.refused) == (6, 0, [])
    again = moving.copy(source.home, there)
    assert (again.copied, again.present) == (0, 6)
    back = FolderHome(tmp_path / "back")
    assert moving.copy(there, back).copied == 6
    for video in IDS:
        found = Volume(back).find(video, "audio", "audio-1")
        assert found is not None
        assert found == source.find(video, "audio", "audio-1")
    assert [kept.name for kept in Profiles(back).all()] == ["Ada"]
    assert back.get(vocabulary.FILE, 1000) == source.home.get(vocabulary.FILE, 1000)
    assert list((tmp_path / "copies").iterdir()) == []


def test_files_of_every_kind_are_copied(source: Volume, tmp_path: Path) -> None:
    for kind in KINDS:
        (tmp_path / "file").write_bytes(kind.encode())
        source.keep(IDS[0], NewArtifact(tmp_path / "file", kind, "zst", 1.0, "one", 2))
    moving.copy(source.home, FolderHome(tmp_path / "there"))
    there = Volume(tmp_path / "there")
    assert {kind for kind in KINDS if there.find(IDS[0], kind, "one") is None} == set()


class Breakdown(FolderHome):
    """A home that fails at its second file."""

    left = 1

    def put(self, name: str, data: bytes, before: str | None) -> None:
        """Store the first small file alone."""
        if not self.left:
            raise IngestError(Code.ENV_VOLUME, "gone")
        self.left -= 1
        super().put(name, data, before)


def test_an_interrupted_copy_continues(source: Volume, tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="gone"):
        moving.copy(source.home, Breakdown(tmp_path / "there"))
    report = moving.copy(source.home, FolderHome(tmp_path / "there"))
    assert (report.copied, report.present) == (3, 3)


def test_a_damaged_file_is_left_out_and_named(source: Volume, tmp_path: Path) -> None:
    (audio,) = on_disk(source).folder(IDS[0]).glob("audio-*")
    audio.write_bytes(b"damaged")
    report = moving.copy(source.home, FolderHome(tmp_path / "there"))
    assert report.refused == [str(audio.relative_to(on_disk(source).root))]
    there = Volume(tmp_path / "there")
    assert there.find(IDS[0], "audio", "audio-1") is None
    assert there.find(IDS[1], "audio", "audio-1") is not None


def test_a_file_that_arrived_damaged_is_copied_again(source: Volume, tmp_path: Path) -> None:
    there = Volume(tmp_path / "there")
    moving.copy(source.home, there.home)
    (audio,) = on_disk(there).folder(IDS[0]).glob("audio-*")
    audio.write_bytes(b"x" * audio.stat().st_size)
    assert moving.copy(source.home, there.home).copied == 1
    assert there.find(IDS[0], "audio", "audio-1") is not None


def test_the_command_copies_to_a_bucket(
    source: Volume, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("VOLUME_ENDPOINT", bucket.endpoint or ""),
        ("VOLUME_ACCESS_KEY", s3_server.ACCESS_KEY),
        ("VOLUME_SECRET_KEY", s3_server.SECRET_KEY),
        ("STATE_PATH", str(tmp_path / "state")),
    ):
        monkeypatch.setenv(f"INGEST_{name}", value)
    place = f"s3://{bucket.name}/{bucket.prefix}"
    done = CommandLine().invoke(app, ["volume", "copy", str(on_disk(source).root), place])
    assert done.exit_code == 0, done.output
    assert "6 files copied" in done.output
    assert (
        "0 files copied (0.0 MB), 6 were there"
        in CommandLine().invoke(app, ["volume", "copy", str(on_disk(source).root), place]).output
    )
    missing = CommandLine().invoke(app, ["volume", "copy", str(tmp_path / "nowhere"), place])
    assert missing.exit_code != 0
