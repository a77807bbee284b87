"""Files on the volume: kept whole, found by what they were made from, believed only when their checksum is right."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from ingest.shared.artifacts.files import write_atomically
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Artifact
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ID = "abcdefghijk"
CONTENT = b"some audio" * 1000


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.mp3"
    path.write_bytes(CONTENT)
    return path


def made(file: Path, *, origin: str = "audio-1", generation: int = 1) -> NewArtifact:
    return NewArtifact(file=file, kind="audio", extension="mp3", duration_s=5.0, origin=origin, generation=generation)


def files(volume: Volume) -> list[str]:
    return sorted(path.name for path in on_disk(volume).root.rglob("*") if path.is_file())


def code_of(action: Callable[[], object]) -> Code:
    with pytest.raises(IngestError) as caught:
        action()
    return caught.value.code


def test_a_kept_file_is_found_and_verified(volume: Volume, source: Path) -> None:
    artifact = volume.keep(ID, made(source))
    assert artifact.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert (artifact.size_bytes, artifact.duration_s) == (len(CONTENT), 5.0)
    assert volume.find(ID, "audio", "audio-1") == artifact
    assert volume.verified(artifact).read_bytes() == CONTENT
    assert source.read_bytes() == CONTENT


def test_names_come_from_content_and_kind_alone(volume: Volume, source: Path) -> None:
    artifact = volume.keep(ID, made(source))
    name = f"audio-{hashlib.sha256(CONTENT).hexdigest()[:16]}.mp3"
    assert files(volume) == [name, "audio.json"]
    assert artifact.path == str((on_disk(volume).folder(ID) / name).relative_to(on_disk(volume).root))


def test_another_content_does_not_overwrite_a_file_that_may_be_read_now(volume: Volume, source: Path) -> None:
    older = volume.keep(ID, made(source))
    source.write_bytes(b"other audio")
    newer = volume.keep(ID, made(source))
    assert volume.verified(older).read_bytes() == CONTENT
    assert volume.find(ID, "audio", "audio-1") == newer


@pytest.mark.parametrize(
    ("origin", "fresh_from", "is_found"),
    [
        pytest.param("audio-1", 0, True, id="any generation"),
        pytest.param("audio-1", 3, True, id="this generation"),
        pytest.param("audio-1", 4, False, id="older generation than wanted"),
        pytest.param("audio-2", 0, False, id="made from something else"),
    ],
)
def test_a_file_is_used_again_only_if_it_is_what_is_wanted(
    volume: Volume,
    source: Path,
    origin: str,
    fresh_from: int,
    is_found: bool,  # noqa: FBT001 (a table)
) -> None:
    volume.keep(ID, made(source, generation=3))
    assert (volume.find(ID, "audio", origin, fresh_from) is not None) is is_found


def test_nothing_is_found_where_nothing_is(volume: Volume) -> None:
    assert volume.find(ID, "audio", "audio-1") is None
    assert volume.manifest(ID, "transcript") is None
    volume.discard(ID, "audio")


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda content: bytes([content[0] ^ 1]) + content[1:], id="one bit"),
        pytest.param(lambda content: content[:-1], id="cut off"),
        pytest.param(lambda content: content + b"\0", id="longer"),
        pytest.param(lambda _: b"", id="empty"),
    ],
)
def test_a_damaged_file_is_noticed(volume: Volume, source: Path, harm: Callable[[bytes], bytes]) -> None:
    artifact = volume.keep(ID, made(source))
    (on_disk(volume).root / artifact.path).write_bytes(harm(CONTENT))
    assert code_of(lambda: volume.verified(artifact)) is Code.CHECKSUM_MISMATCH
    assert volume.find(ID, "audio", "audio-1") is None


def test_a_missing_file_is_noticed_at_once_without_a_wait(volume: Volume, source: Path) -> None:
    artifact = volume.keep(ID, made(source))
    (on_disk(volume).root / artifact.path).unlink()
    began = time.monotonic()
    assert code_of(lambda: volume.verified(artifact, patience_s=0)) is Code.ARTIFACT_MISSING
    assert volume.find(ID, "audio", "audio-1") is None
    assert time.monotonic() - began < 1


def test_a_file_that_another_machine_shows_late_is_waited_for(volume: Volume, source: Path) -> None:
    artifact = volume.keep(ID, made(source))
    path = on_disk(volume).root / artifact.path
    hidden = path.rename(path.with_name("hidden"))
    timer = threading.Timer(0.3, lambda: hidden.rename(path))
    timer.start()
    assert volume.verified(artifact, patience_s=10) == path
    timer.join()


def test_a_discarded_artifact_is_gone(volume: Volume, source: Path) -> None:
    volume.keep(ID, made(source))
    volume.discard(ID, "audio")
    assert files(volume) == []


def test_a_folder_in_the_place_of_a_file_makes_room_for_it(volume: Volume, source: Path) -> None:
    path = on_disk(volume).resolve(volume.keep(ID, made(source)).path)
    path.unlink()
    (path / "inside").mkdir(parents=True)
    assert volume.verified(volume.keep(ID, made(source))).read_bytes() == CONTENT
    path.unlink()
    path.mkdir()
    volume.discard(ID, "audio")
    assert list(on_disk(volume).folder(ID).iterdir()) == []


@pytest.mark.parametrize("path", [".", "videos", "elsewhere/audio-0.mp3"])
def test_a_manifest_that_names_another_file_does_not_delete_it(volume: Volume, source: Path, path: str) -> None:
    artifact = volume.keep(ID, made(source))
    (on_disk(volume).root / "elsewhere").mkdir()
    (on_disk(volume).root / "elsewhere/audio-0.mp3").touch()
    manifest = volume.manifest(ID, "audio")
    assert manifest is not None
    wrong = manifest.model_copy(update={"artifact": artifact.model_copy(update={"path": path})})
    (on_disk(volume).folder(ID) / "audio.json").write_text(wrong.model_dump_json())
    volume.discard(ID, "audio")
    assert on_disk(volume).resolve(artifact.path).exists()
    assert (on_disk(volume).root / "elsewhere/audio-0.mp3").exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"[1]", b'{"artifact": 5}'])
def test_an_unreadable_manifest_is_none(volume: Volume, source: Path, content: bytes) -> None:
    volume.keep(ID, made(source))
    (on_disk(volume).folder(ID) / "audio.json").write_bytes(content)
    assert volume.find(ID, "audio", "audio-1") is None


def test_a_manifest_that_the_file_system_cannot_read_is_an_error_of_the_volume(volume: Volume) -> None:
    (on_disk(volume).folder(ID) / "audio.json").mkdir(parents=True)
    assert code_of(lambda: volume.find(ID, "audio", "audio-1")) is Code.ENV_VOLUME


@pytest.mark.parametrize(
    "video_id", ["", "..", "../../etc/x", "abcdefghijkl", "abcdefghijk\n", "abc/efghijk", "a" * 10]
)
def test_an_invalid_id_has_no_folder(volume: Volume, video_id: str) -> None:
    assert code_of(lambda: on_disk(volume).folder(video_id)) is Code.BAD_VIDEO_ID


@pytest.mark.parametrize("path", ["../outside", "videos/../../outside", "/etc/passwd", "link/outside"])
def test_a_path_that_leaves_the_volume_is_refused(volume: Volume, tmp_path: Path, path: str) -> None:
    on_disk(volume).root.mkdir()
    (on_disk(volume).root / "link").symlink_to(tmp_path)
    (tmp_path / "outside").write_bytes(CONTENT)
    digest = hashlib.sha256(CONTENT).hexdigest()
    artifact = Artifact(path=path, sha256=digest, size_bytes=len(CONTENT), duration_s=1.0)
    assert code_of(lambda: volume.verified(artifact, patience_s=0)) is Code.BAD_FIELD


def test_a_path_that_no_file_can_have_is_refused(volume: Volume) -> None:
    on_disk(volume).root.mkdir()
    artifact = Artifact(path="x" * 300, sha256="0" * 64, size_bytes=1, duration_s=1.0)
    assert code_of(lambda: volume.verified(artifact, patience_s=0)) is Code.BAD_FIELD


def test_a_link_within_the_volume_is_followed(volume: Volume, source: Path) -> None:
    artifact = volume.keep(ID, made(source))
    (on_disk(volume).root / "elsewhere").symlink_to(on_disk(volume).root / "videos")
    moved = artifact.model_copy(update={"path": artifact.path.replace("videos", "elsewhere", 1)})
    assert volume.verified(moved) == volume.verified(artifact)


def test_used_space_counts_the_files_of_all_videos(volume: Volume, source: Path) -> None:
    assert volume.used_bytes() == 0
    volume.keep(ID, made(source))
    volume.keep("bbbbbbbbbbb", made(source))
    manifests = sum(path.stat().st_size for path in on_disk(volume).root.rglob("audio.json"))
    assert volume.used_bytes() == 2 * len(CONTENT) + manifests


def test_used_space_can_be_measured_while_files_are_added_and_deleted(volume: Volume, source: Path) -> None:
    done = threading.Event()
    temporary = on_disk(volume).folder(ID)
    temporary.mkdir(parents=True)

    def come_and_go() -> None:
        while not done.is_set():
            for number in range(20):
                (temporary / f".tmp-{number}").touch()
            for number in range(20):
                os.unlink(temporary / f".tmp-{number}")  # noqa: PTH108 (quicker: the race must be met)

    busy = threading.Thread(target=come_and_go)
    busy.start()
    try:
        volume.keep("bbbbbbbbbbb", made(source))
        assert all(volume.used_bytes() >= len(CONTENT) for _ in range(2000))
    finally:
        done.set()
        busy.join()


def test_an_unreadable_volume_does_not_count_as_empty(volume: Volume) -> None:
    on_disk(volume).root.mkdir()
    (on_disk(volume).root / "videos").touch()
    assert code_of(volume.used_bytes) is Code.ENV_VOLUME


def test_a_small_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    write_atomically(path, b"old")
    with path.open("rb") as reader:
        write_atomically(path, b"new")
        assert reader.read() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["note.json"]
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("place", ["videos", "videos/{shard}", "videos/{shard}/{id}"])
def test_a_link_in_the_place_of_a_folder_writes_reads_and_deletes_nothing_outside(
    volume: Volume, source: Path, tmp_path: Path, place: str
) -> None:
    folder = on_disk(volume).folder(ID)
    outside = tmp_path / "outside"
    link = on_disk(volume).root / place.format(shard=folder.parent.name, id=ID)
    inner = outside / folder.relative_to(link)
    inner.mkdir(parents=True)
    other = Volume(tmp_path / "other")
    other.keep(ID, made(source))
    for file in on_disk(other).folder(ID).iterdir():
        (inner / file.name).write_bytes(file.read_bytes())
    before = {path: path.stat().st_mtime_ns for path in outside.rglob("*")}
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    assert volume.manifest(ID, "audio") is None
    assert volume.find(ID, "audio", "audio-1") is None
    for change in (lambda: volume.keep(ID, made(source)), lambda: volume.discard(ID, "audio")):
        with pytest.raises(IngestError, match="is a link, or leads through one: remove it") as refused:
            change()
        assert refused.value.code == Code.BAD_FIELD
    assert {path: path.stat().st_mtime_ns for path in outside.rglob("*")} == before


def test_a_link_in_the_place_of_a_manifest_is_not_read(volume: Volume, source: Path, tmp_path: Path) -> None:
    volume.keep(ID, made(source))
    manifest = on_disk(volume).folder(ID) / "audio.json"
    manifest.rename(tmp_path / "elsewhere.json")
    manifest.symlink_to(tmp_path / "elsewhere.json")
    assert volume.manifest(ID, "audio") is None
    volume.keep(ID, made(source))
    assert not manifest.is_symlink()
