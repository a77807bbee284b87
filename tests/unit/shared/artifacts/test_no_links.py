"""Links, pipes and long files that another user of the volume puts in the place of a folder or a file."""

from __future__ import annotations

import os
import socket
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingest.asr.speakers.profiles import Profiles
from ingest.shared.artifacts import zstd_json
from ingest.shared.artifacts.files import write_atomically
from ingest.shared.artifacts.no_links import opened_folder, read_file, true_path
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Part
from ingest.shared.worker.crash_journal import CrashJournal
from tests.support.on_disk import on_disk
from tests.unit.asr.speakers.test_profiles import profile

if TYPE_CHECKING:
    from collections.abc import Callable

ID = "abcdefghijk"
STEPS = ("a", "b", "c")


def swapped(folder: Path, target: Path) -> None:
    """Put a link in the place of a folder, as another user of the volume can at any time."""
    folder.rename(folder.with_name("moved"))
    folder.symlink_to(target)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder outside of the volume, with a file of its owner."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "asr-a.json").write_text('["kept"]')
    return folder


@pytest.mark.parametrize("place", range(len(STEPS)))
@pytest.mark.parametrize("create", [True, False])
def test_a_link_at_any_step_is_not_followed(tmp_path: Path, outside: Path, place: int, create: bool) -> None:  # noqa: FBT001 (a table)
    root = tmp_path / "volume"
    link = root.joinpath(*STEPS[: place + 1])
    outside.joinpath(*STEPS[place + 1 :]).mkdir(parents=True, exist_ok=True)
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    before = sorted(outside.rglob("*"))
    with pytest.raises(NotADirectoryError), opened_folder(root, *STEPS, create=create):
        pass
    assert sorted(outside.rglob("*")) == before


@pytest.mark.parametrize("place", range(len(STEPS)))
def test_a_link_that_is_put_there_meanwhile_leads_nowhere(tmp_path: Path, outside: Path, place: int) -> None:
    outside.joinpath(*STEPS[place + 1 :]).mkdir(parents=True, exist_ok=True)
    before = sorted(outside.rglob("*"))
    with opened_folder(tmp_path / "volume", *STEPS, create=True) as held:
        assert true_path(held) == (tmp_path / "volume").joinpath(*STEPS)
        swapped((tmp_path / "volume").joinpath(*STEPS[: place + 1]), outside)
        write_atomically(held / "file", b"x")
        assert [path.name for path in held.iterdir()] == ["file"]
    assert sorted(outside.rglob("*")) == before


def test_the_root_may_be_a_link_of_the_operator(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "volume").symlink_to(outside)
    with opened_folder(tmp_path / "volume", "a", create=True) as held:
        assert true_path(held) == outside / "a"


def test_no_handle_stays_open(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").symlink_to(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(NotADirectoryError), opened_folder(tmp_path, "a", "b"):
            pass
        with opened_folder(tmp_path, "a", "c", create=True):
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# -- all that writes to the volume ------------------------------------------------------------------------------------


def keep(root: Path) -> None:
    source = root.with_name("source.mp3")
    source.write_bytes(b"audio")
    Volume(root).keep(ID, NewArtifact(source, "audio", "mp3", 1.0, "audio-1", 1))


WRITERS: list[tuple[str, str, Callable[[Path], object]]] = [
    ("an artifact", "videos", keep),
    ("a profile", "voices", lambda root: Profiles(root).keep(profile())),
]


@pytest.mark.parametrize(("place", "write"), [pytest.param(*row[1:], id=row[0]) for row in WRITERS])
def test_what_is_written_to_the_volume_stays_on_it(
    tmp_path: Path, outside: Path, place: str, write: Callable[[Path], object]
) -> None:
    root = tmp_path / "volume"
    root.mkdir()
    write(root)
    swapped(root / place, outside)
    with pytest.raises(IngestError) as refused:
        write(root)
    assert refused.value.code in (Code.ENV_VOLUME, Code.BAD_FIELD)
    assert [path.name for path in outside.rglob("*")] == ["asr-a.json"]


def test_a_note_of_a_worker_stays_on_the_volume_when_its_folder_becomes_a_link(tmp_path: Path, outside: Path) -> None:
    folder = tmp_path / "volume" / "workers"
    journal = CrashJournal(folder, "asr-a")
    swapped(folder, outside)
    with pytest.raises(IngestError) as refused:
        journal.begin("asr.job")
    assert refused.value.code is Code.ENV_VOLUME
    journal.end("asr.job")
    assert (outside / "asr-a.json").read_text() == '["kept"]'


# -- files ------------------------------------------------------------------------------------------------------------


def piped(path: Path) -> None:
    os.mkfifo(path)


def linked(path: Path) -> None:
    path.with_name("target").write_bytes(b"{}")
    path.symlink_to(path.with_name("target"))


def long(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 << 30)  # takes no space


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening, chdir(path.parent):  # its address may have 100 letters
        listening.bind(path.name)


UNREADABLE = [pytest.param(make, id=make.__name__) for make in (piped, linked, long, bound)]


@pytest.mark.parametrize("make", UNREADABLE)
def test_a_file_that_is_a_pipe_a_link_or_too_long_is_refused_at_once(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "file")
    with pytest.raises(ValueError, match="is"):
        read_file(tmp_path / "file", 1000)


@pytest.mark.parametrize("make", UNREADABLE)
def test_such_a_file_stops_no_reader_of_the_volume(tmp_path: Path, make: Callable[[Path], None]) -> None:
    volume = Volume(tmp_path)
    on_disk(volume).folder(ID).mkdir(parents=True)
    make(on_disk(volume).folder(ID) / "audio.json")
    assert volume.manifest(ID, "audio") is None
    (tmp_path / "voices" / "a").mkdir(parents=True)
    make(tmp_path / "voices" / "a" / "000001.json.zst")
    assert Profiles(tmp_path).all() == []
    (tmp_path / "workers").mkdir()
    make(tmp_path / "workers" / "asr-a.json")
    assert CrashJournal(tmp_path / "workers", "asr-a").crashes("x") == 0
    with pytest.raises(IngestError) as refused:
        zstd_json.read(Part, tmp_path / "voices" / "a" / "000001.json.zst", Code.BAD_TRANSCRIPT)
    assert refused.value.code is Code.BAD_TRANSCRIPT


@pytest.mark.parametrize(
    "text",
    [
        "5",
        "[1, null, {}]",
        '{"a": 1}',
        "[" * 100_000,
        f'["{"x" * 5000}"]',
        '["..", "", "a\\u0000b"]',
        '["\\ud800"]',
        "\xff",
    ],
)
def test_a_note_that_no_worker_wrote_stops_no_worker(tmp_path: Path, text: str) -> None:
    (tmp_path / "asr-a.json").write_text(text, encoding="latin-1")
    CrashJournal(tmp_path, "asr-a").begin("asr.job")
    assert CrashJournal(tmp_path, "asr-a").crashes("asr.job") == 1


@pytest.mark.parametrize("count", ["-5", "9" * 90, "9" * 5000, "x", ""])
def test_a_count_that_no_worker_wrote_is_a_count(tmp_path: Path, count: str) -> None:
    journal = CrashJournal(tmp_path, "asr-a")
    (tmp_path / "crashes" / "asr.job").write_text(count)
    assert journal.crashes("asr.job") >= 0
