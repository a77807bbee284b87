"""What every home of a volume promises."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ingest.asr.speakers.profiles import Profiles
from ingest.shared.artifacts.folder_home import FolderHome
from ingest.shared.artifacts.home import ConflictError
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.errors import Code, IngestError
from ingest.shared.homes.trial import trouble
from ingest.shared.worker.crash_journal import CrashJournal, counts_of, forgive
from ingest.shared.worker.notes import HomeNotes
from tests.unit.asr.speakers.test_profiles import profile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

from ingest.shared.artifacts.home import Home

ID = "abcdefghijk"
LARGE = bytes(range(256)) * (20 << 12)  # 20 MiB: more than two parts of an upload
WRITERS = 4


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "source.mp3"
    file.write_bytes(LARGE)
    return file


def made(file: Path, generation: int = 1) -> NewArtifact:
    return NewArtifact(file, "audio", "mp3", 1.0, "audio-1", generation)


def names(home: Home, prefix: str) -> list[str]:
    return sorted(entry.name for entry in home.list(prefix) if not entry.name.endswith("/"))


# -- files ------------------------------------------------------------------------------------------------------------


def test_what_one_machine_stores_another_one_reads(machine: Callable[[str], Home], source: Path) -> None:
    artifact = Volume(machine("one")).keep(ID, made(source))
    other = Volume(machine("two"))
    assert other.find(ID, "audio", "audio-1") == artifact
    assert other.verified(artifact).read_bytes() == LARGE
    assert other.used_bytes() > len(LARGE)


def test_a_part_of_a_file_is_read(home: Home, source: Path) -> None:
    name = Volume(home).keep(ID, made(source)).path
    size = len(LARGE)
    assert home.size(name) == size
    assert home.read(name, 9_000_000, 100) == LARGE[9_000_000:9_000_100]
    assert home.read(name, size - 3, 10) == LARGE[-3:]
    assert home.read(name, size, 10) == b""


def test_an_empty_file_is_a_file(home: Home, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    artifact = Volume(home).keep(ID, made(tmp_path / "empty"))
    assert Volume(home).verified(artifact).read_bytes() == b""


def test_what_is_in_memory_is_stored_as_a_file_is(machine: Callable[[str], Home], source: Path) -> None:
    artifact = Volume(machine("one")).keep(ID, replace(made(source), file=LARGE))
    assert Volume(machine("two")).verified(artifact).read_bytes() == LARGE
    assert Volume(machine("one")).keep(ID, made(source)) == artifact


def test_a_file_that_its_check_refuses_is_not_stored(home: Home, source: Path) -> None:
    def refuse(_sha256: str) -> None:
        raise IngestError(Code.FILE_CHANGED, "other content")

    with pytest.raises(IngestError, match="other content"):
        Volume(home).keep(ID, made(source), refuse)
    assert names(home, "videos/") == []


def test_what_is_not_there_is_missing(home: Home, source: Path) -> None:
    Volume(home).keep("bbbbbbbbbbb", made(source))
    place = f"{Volume(home).folder(ID)}/audio.json"
    assert (home.version(place), home.get(place, 10), home.local(place), home.size(place)) == (None, None, None, None)
    home.remove(place)
    assert list(home.list(place)) == []


def test_a_deleted_file_is_missing_on_every_machine(machine: Callable[[str], Home], source: Path) -> None:
    one, other = Volume(machine("one")), Volume(machine("two"))
    artifact = one.keep(ID, made(source))
    other.verified(artifact)
    one.discard(ID, "audio")
    assert other.find(ID, "audio", "audio-1") is None
    with pytest.raises(IngestError) as caught:
        other.verified(artifact, patience_s=0)
    assert caught.value.code is Code.ARTIFACT_MISSING
    assert names(one.home, "videos/") == []


@pytest.mark.parametrize("path", ["../outside", "videos/../../outside", "/etc/passwd"])
def test_a_name_that_leaves_the_home_is_refused(home: Home, source: Path, path: str) -> None:
    artifact = Volume(home).keep(ID, made(source)).model_copy(update={"path": path})
    with pytest.raises(IngestError) as caught:
        Volume(home).verified(artifact, patience_s=0)
    assert caught.value.code is Code.BAD_FIELD
    with pytest.raises(IngestError) as caught:
        home.remove("videos/..")
    assert caught.value.code is Code.BAD_FIELD
    assert len(names(home, "videos/")) == 2


def test_the_names_below_a_prefix_are_listed(home: Home, source: Path) -> None:
    volume = Volume(home)
    for video in (ID, "bbbbbbbbbbb"):
        volume.keep(video, made(source))
    folder = volume.folder(ID)
    assert len(names(home, "videos/")) == 4
    assert [name.rpartition("/")[0] for name in names(home, f"{folder}/audio-")] == [folder]
    home.remove(folder)
    assert {name.rpartition("/")[0] for name in names(home, "videos/")} == {volume.folder("bbbbbbbbbbb")}


# -- small files ------------------------------------------------------------------------------------------------------


def test_a_small_file_is_replaced_only_by_who_knows_it(home: Home) -> None:
    home.put("notes/a.json", b"1", None)
    first = home.version("notes/a.json")
    with pytest.raises(ConflictError):
        home.put("notes/a.json", b"2", None)
    home.put("notes/a.json", b"2", first)
    with pytest.raises(ConflictError):
        home.put("notes/a.json", b"3", first)
    assert home.get("notes/a.json", 10) == b"2"
    second = home.version("notes/a.json")
    home.remove("notes/a.json")
    with pytest.raises(ConflictError):
        home.put("notes/a.json", b"3", second)
    assert home.get("notes/a.json", 10) is None


def test_a_longer_file_than_expected_is_not_read(home: Home) -> None:
    home.put("notes/a.json", b"12345", None)
    with pytest.raises(ValueError, match="is longer than 4 bytes"):
        home.get("notes/a.json", 4)
    assert home.get("notes/a.json", 5) == b"12345"


def test_of_writers_at_the_same_time_each_one_leaves_a_whole_artifact(
    machine: Callable[[str], Home], tmp_path: Path
) -> None:
    files = [tmp_path / f"{number}.mp3" for number in range(WRITERS)]
    for number, file in enumerate(files):
        file.write_bytes(bytes([number]) * 100_000)
    threads = [
        threading.Thread(target=Volume(machine(str(number))).keep, args=(ID, made(file)))
        for number, file in enumerate(files)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    volume = Volume(machine("reader"))
    found = volume.find(ID, "audio", "audio-1")
    assert found is not None
    assert len(set(volume.verified(found).read_bytes())) == 1
    volume.discard_older(ID, "audio")
    assert len(names(volume.home, "videos/")) == 2


def test_a_run_that_ends_late_leaves_the_manifest_of_a_newer_one(machine: Callable[[str], Home], source: Path) -> None:
    late, newer = Volume(machine("one")), Volume(machine("two"))
    late.keep(ID, made(source, generation=1))

    def meanwhile(_sha256: str) -> None:
        newer.keep(ID, made(source, generation=3))

    late.keep(ID, made(source, generation=2), meanwhile)
    manifest = newer.manifest(ID, "audio")
    assert manifest is not None
    assert manifest.generation == 3


class Careless(FolderHome):
    """A home that replaces whatever is there."""

    def put(self, name: str, data: bytes, before: str | None) -> None:  # noqa: ARG002 (that is its fault)
        super().put(name, data, self.version(name))


def test_a_trial_says_what_a_home_does_not_do(home: Home, tmp_path: Path) -> None:
    assert trouble(home) is None
    assert names(home, "trials/") == []
    found = trouble(Careless(tmp_path / "careless"))
    assert found is not None
    assert "a second writer replaces" in found


# -- who uses it ------------------------------------------------------------------------------------------------------


def test_profiles_have_versions(machine: Callable[[str], Home]) -> None:
    one, other = Profiles(machine("one")), Profiles(machine("two"))
    assert [one.keep(profile()).version, other.keep(profile()).version] == [1, 2]
    assert [found.version for found in one.all()] == [2]
    assert other.versions("ada") == 2
    other.remove("Ada")
    assert one.all() == []


def test_a_crash_is_charged_by_the_worker_that_starts_again(machine: Callable[[str], Home]) -> None:
    job = f"asr.{ID}.1.0"
    CrashJournal(HomeNotes(machine("one")), "asr-a").begin(job)
    CrashJournal(HomeNotes(machine("one")), "asr-a").begin(job)
    notes = HomeNotes(machine("two"))
    assert CrashJournal(notes, "asr-b").crashes(job) == 1
    forgive(notes)  # the second one, too, has died, but with everything else
    again = CrashJournal(notes, "asr-a")
    assert again.crashes(job) == 1
    assert len(counts_of(notes, ID)) == 1
    again.clear(job)
    assert counts_of(notes, ID) == []
