"""What only an object store can do to a volume."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.errors import Code, IngestError
from ingest.shared.homes.cache import Cache
from ingest.shared.homes.s3 import S3Home
from tests.support import s3_server

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.shared.homes.s3 import Bucket

ID = "abcdefghijk"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "copies", 1 << 20)


def keep(home: S3Home, file: Path, content: bytes = b"audio") -> Volume:
    file.write_bytes(content)
    volume = Volume(home)
    volume.keep(ID, NewArtifact(file, "audio", "mp3", 1.0, "audio-1", 1))
    return volume


def test_a_bucket_that_is_gone_looks_like_no_lost_recording(bucket: Bucket, cache: Cache) -> None:
    home = S3Home(replace(bucket, name="nowhere"), cache)
    for ask in (home.version, home.size, home.local, lambda name: home.get(name, 10)):
        with pytest.raises(IngestError, match="the bucket does not exist") as caught:
            ask("videos/aa/b/audio.json")
        assert caught.value.code is Code.ENV_VOLUME


def test_wrong_keys_are_refused_and_not_shown(bucket: Bucket, cache: Cache, tmp_path: Path) -> None:
    home = S3Home(replace(bucket, secret_key="wrong-secret"), cache)  # noqa: S106 (it is wrong)
    with pytest.raises(IngestError, match="403") as caught:
        keep(home, tmp_path / "file")
    assert caught.value.code is Code.ENV_VOLUME
    assert not {"wrong-secret", s3_server.ACCESS_KEY} & set(str(caught.value).split())


def test_a_damaged_copy_is_downloaded_again(bucket: Bucket, cache: Cache, tmp_path: Path) -> None:
    volume = keep(S3Home(bucket, cache), tmp_path / "file")
    found = volume.find(ID, "audio", "audio-1")
    assert found is not None
    copy = volume.verified(found)
    assert copy.parent == tmp_path / "copies"
    copy.unlink()  # it is the same file as the source
    copy.write_bytes(b"AUDIO")
    assert volume.verified(found).read_bytes() == b"audio"


def test_a_damaged_object_is_no_artifact(bucket: Bucket, cache: Cache, tmp_path: Path) -> None:
    home = S3Home(bucket, cache)
    volume = keep(home, tmp_path / "file")
    found = volume.find(ID, "audio", "audio-1")
    assert found is not None
    home.put(found.path, b"AUDIO", home.version(found.path))
    home.forget_copy(found.path)
    assert volume.find(ID, "audio", "audio-1") is None
    with pytest.raises(IngestError) as caught:
        volume.verified(found)
    assert caught.value.code is Code.CHECKSUM_MISMATCH
