"""Every item of a folder is a recording, or is left out for a named reason; what cannot be read is a problem."""

from __future__ import annotations

import os
import subprocess
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.settings import DownloaderSettings, listed_paths
from ingest.downloader.sources import file, folder
from ingest.downloader.sources.file import allowed_file
from ingest.downloader.sources.listing import MOST_EXAMPLES, Listing
from ingest.downloader.sources.registry import recordings
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.formats import MEDIA_SUFFIXES
from ingest.shared.messages import Source, SourceKind
from ingest.shared.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable


NOBODY = 12345  # a user that does not exist


def listed(path: Path) -> tuple[list[str], Listing]:
    listing = Listing()
    found = [recording.source.url for recording in recordings(str(path), load(DownloaderSettings), listing)]
    return found, listing


def write(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(path))


def test_every_format_of_the_decoder_is_found_in_a_folder(tmp_path: Path) -> None:
    names = {tmp_path / f"talk{suffix}" for suffix in MEDIA_SUFFIXES - {".ts", ".mts"}}
    write(*names)
    assert {Path(url) for url in listed(tmp_path)[0]} == names


def test_what_is_left_out_of_a_folder_is_counted_and_named(tmp_path: Path) -> None:
    shelf, archive = tmp_path / "shelf", tmp_path / "archive"
    write(shelf / "talk.ogg", shelf / "._talk.ogg", shelf / ".Trash-1000" / "old.ogg", shelf / "cover.jpg")
    write(shelf / "notes.txt", archive / "linked.ogg", archive / "deep" / "more.ogg")
    (shelf / "a link.ogg").symlink_to(archive / "linked.ogg")
    (shelf / "a folder").symlink_to(archive / "deep")
    (shelf / "broken.ogg").symlink_to(tmp_path / "nothing")
    (shelf / "again").symlink_to(shelf)
    os.mkfifo(shelf / "pipe.ogg")
    found, listing = listed(shelf)
    assert found == [str(shelf / name) for name in ("a folder/more.ogg", "a link.ogg", "talk.ogg")]
    assert {reason: one.count for reason, one in listing.left_out.items()} == {
        folder.HIDDEN: 2,
        folder.NO_MEDIA: 3,
        folder.BROKEN_LINK: 1,
        folder.LOOP: 1,
    }
    assert str(shelf / "._talk.ogg") in listing.left_out[folder.HIDDEN].examples
    assert listing.problems == []


def test_folders_of_the_system_are_left_out_unless_they_are_named(tmp_path: Path) -> None:
    names = {name.upper() for name in folder.SYSTEM_FOLDERS}
    write(tmp_path / "talk.ogg", *(tmp_path / name / "deep" / "old.ogg" for name in names))
    found, listing = listed(tmp_path)
    assert (found, listing.left_out[folder.OF_SYSTEM].count) == ([str(tmp_path / "talk.ogg")], len(names))
    assert len(listed(tmp_path / "LOST+FOUND")[0]) == 1


def test_an_empty_file_is_left_out_of_a_folder_and_refused_by_its_name(tmp_path: Path) -> None:
    write(tmp_path / "talk.ogg")
    (tmp_path / "empty.ogg").touch()
    found, listing = listed(tmp_path)
    assert (found, listing.left_out[file.EMPTY].examples) == (
        [str(tmp_path / "talk.ogg")],
        [str(tmp_path / "empty.ogg")],
    )
    with pytest.raises(IngestError, match=r"AUDIO_EMPTY_FILE: empty\.ogg is empty"):
        listed(tmp_path / "empty.ogg")


def test_a_file_whose_name_is_not_utf_8_is_a_problem_that_shows_the_name(tmp_path: Path) -> None:
    write(tmp_path / "talk.ogg")
    (tmp_path / os.fsdecode(b"\xe4.ogg")).write_bytes(b"sound")
    found, listing = listed(tmp_path)
    assert found == [str(tmp_path / "talk.ogg")]
    assert [one.error.message for one in listing.problems] == [r"the name b'\xe4.ogg' is not UTF-8: rename the file"]


def test_a_file_that_is_being_written_is_a_problem(tmp_path: Path) -> None:
    write(tmp_path / "talk.ogg")
    growing = tmp_path / "growing.ogg"
    growing.write_bytes(bytes(8 << 20))
    has_ended = threading.Event()

    def write_on() -> None:
        with growing.open("ab", buffering=0) as file:
            while not has_ended.is_set():
                file.write(b"more")

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        found, listing = listed(tmp_path)
    finally:
        has_ended.set()
        writer.join()
    assert found == [str(tmp_path / "talk.ogg")]
    assert [(one.name, "is being written" in one.error.message) for one in listing.problems] == [(str(growing), True)]


def test_our_state_folder_among_the_recordings_is_one_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_STATE_PATH", str(tmp_path / "state"))
    write(tmp_path / "talk.ogg", tmp_path / "state" / "volume" / "audio.ogg", tmp_path / "state" / "logs" / "asr.log")
    (tmp_path / "also").symlink_to(tmp_path / "state")
    found, listing = listed(tmp_path)
    assert found == [str(tmp_path / "talk.ogg")]
    assert {reason: one.count for reason, one in listing.left_out.items()} == {folder.OUR_STATE: 2}


def test_the_names_of_a_few_stand_for_many(tmp_path: Path) -> None:
    write(tmp_path / "talk.ogg", *(tmp_path / f"{number}.txt" for number in range(100)))
    left_out = listed(tmp_path)[1].left_out[folder.NO_MEDIA]
    assert (left_out.count, len(left_out.examples)) == (100, MOST_EXAMPLES)


def test_a_file_that_cannot_be_read_is_a_problem_and_its_neighbours_are_listed(tmp_path: Path) -> None:
    write(tmp_path / "a.ogg", tmp_path / "c.ogg")
    (tmp_path / "b.ogg").symlink_to("/proc/self/mem")  # no user can read its beginning
    found, listing = listed(tmp_path)
    assert found == [str(tmp_path / "a.ogg"), str(tmp_path / "c.ogg")]
    assert [(one.name, one.error.code) for one in listing.problems] == [(str(tmp_path / "b.ogg"), Code.BAD_URL)]


def test_a_folder_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    listing = Listing()
    assert list(folder.media_files(tmp_path / "gone meanwhile", listing, tmp_path / "state")) == []
    assert [(one.name, one.error.code) for one in listing.problems] == [
        (str(tmp_path / "gone meanwhile"), Code.BAD_URL)
    ]


def nested(folder: Path, name: str, times: int) -> None:
    """Make folders within each other, and a recording in the innermost; their path may be longer than one may be."""
    folder.mkdir()
    inner = os.open(folder, os.O_RDONLY)
    for _ in range(times):
        os.mkdir(name, dir_fd=inner)
        outer, inner = inner, os.open(name, os.O_RDONLY, dir_fd=inner)
        os.close(outer)
    os.close(os.open("z.ogg", os.O_CREAT | os.O_WRONLY, dir_fd=inner))
    os.close(inner)


def stale(folder: Path) -> None:
    """Make a link through a file, as to a share that has become one."""
    write(folder.with_name("notes.txt"))
    folder.symlink_to(folder.with_name("notes.txt") / "talks")


@pytest.mark.parametrize(
    ("make", "found", "reasons"),
    [
        pytest.param(lambda it: nested(it, "d", 1100), 1, {}, id="deeper than Python may call"),
        pytest.param(lambda it: nested(it, "d" * 250, 20), 0, {"File name too long": 1}, id="longer than a path"),
        pytest.param(lambda it: it.symlink_to(it.name), 0, {folder.BROKEN_LINK: 1}, id="a link to itself"),
        pytest.param(lambda it: it.symlink_to("x" * 300), 0, {"File name too long": 1}, id="a link to an endless name"),
        pytest.param(stale, 0, {folder.BROKEN_LINK: 1, folder.NO_MEDIA: 1}, id="a link through a file"),
    ],
)
def test_whatever_a_folder_holds_its_recordings_are_listed(
    tmp_path: Path, make: Callable[[Path], None], found: int, reasons: dict[str, int]
) -> None:
    write(tmp_path / "a.ogg", tmp_path / "z.ogg")
    make(tmp_path / "b.ogg")
    listing = Listing()
    try:
        paths = list(folder.media_files(tmp_path, listing, tmp_path / "state"))
    finally:
        subprocess.run(["/bin/rm", "-r", tmp_path / "b.ogg"], check=True)  # Python's own way is recursive
    assert [path.name for path in paths[:1] + paths[-1:]] == ["a.ogg", "z.ogg"]
    assert len(paths) == 2 + found
    said = Counter(one.error.message.rpartition(": ")[2] for one in listing.problems)
    assert {**{reason: one.count for reason, one in listing.left_out.items()}, **said} == reasons


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize(
    ("mode", "problem"), [(0o000, "b.ogg"), (0o111, "b.ogg"), (0o444, "b.ogg/deep")], ids=["no right", "enter", "list"]
)
def test_a_folder_without_the_right_to_enter_or_list_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, problem: str
) -> None:
    write(tmp_path / "a.ogg", tmp_path / "b.ogg" / "deep" / "c.ogg", tmp_path / "z.ogg")
    tmp_path.chmod(0o755)
    (tmp_path / "b.ogg").chmod(mode)
    monkeypatch.chdir(tmp_path)  # whatever the folders above it permit
    listing = Listing()
    os.seteuid(NOBODY)
    try:
        found = [path.name for path in folder.media_files(Path(), listing, Path("state"))]
    finally:
        os.seteuid(0)
    assert found == ["a.ogg", "z.ogg"]
    assert [(one.name, one.error.message) for one in listing.problems] == [
        (problem, f"{problem} cannot be read: Permission denied")
    ]


def test_a_hidden_file_that_is_named_is_meant(tmp_path: Path) -> None:
    write(tmp_path / ".hidden.ogg")
    assert listed(tmp_path / ".hidden.ogg")[0] == [str(tmp_path / ".hidden.ogg")]


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_an_empty_source_is_a_mistake_and_not_the_current_folder(text: str) -> None:
    with pytest.raises(IngestError) as caught:
        list(recordings(text, load(DownloaderSettings)))
    assert caught.value.code is Code.BAD_URL


@pytest.mark.parametrize("follows_links", [False, True])
def test_a_link_leads_out_of_a_folder_only_where_the_user_has_named_the_folder(
    tmp_path: Path, *, follows_links: bool
) -> None:
    write(tmp_path / "archive" / "talk.ogg")
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "link.ogg").symlink_to(tmp_path / "archive" / "talk.ogg")
    roots = (tmp_path / "shelf",)
    linked = Source(kind=SourceKind.FILE, url=str(tmp_path / "shelf" / "link.ogg"))
    outside = Source(kind=SourceKind.FILE, url=str(tmp_path / "shelf" / ".." / "archive" / "talk.ogg"))
    with pytest.raises(IngestError, match="outside INGEST_FILE_ROOTS"):
        allowed_file(outside, roots, follows_links=follows_links)
    if follows_links:
        assert allowed_file(linked, roots, follows_links=True) == tmp_path / "archive" / "talk.ogg"
    else:
        with pytest.raises(IngestError, match="outside INGEST_FILE_ROOTS"):
            allowed_file(linked, roots)


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        pytest.param("", [], id="none"),
        pytest.param("/a, /b c", ["/a", "/b c"], id="commas"),
        pytest.param('["/a, b", "/c"]', ["/a, b", "/c"], id="JSON"),
        pytest.param("[]", [], id="an empty list"),
    ],
)
def test_a_list_of_paths_may_be_json(text: str, paths: list[str]) -> None:
    assert [str(path) for path in listed_paths(text)] == paths


@pytest.mark.parametrize("text", ["[1]", "[", '["/a"'])
def test_a_wrong_list_of_paths_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match="list of paths"):
        listed_paths(text)
