"""Row 1b: uploads that are killed at any point, and that its judge detects each violation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingest.shared.artifacts.folder_home import FolderHome
from ingest.shared.artifacts.volume import Volume
from tests.faults.__main__ import play_bare
from tests.faults.home_rows import UPLOADS, on_home
from tests.faults.homes import HomeName
from tests.faults.trials import BareRow
from tests.faults.uploads import FIRST, ID, SECOND, keep, rests, sweep, troubles

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingest.shared.artifacts.home import Home

LOST, OLD = "the recording is lost", "the newer recording is lost"


@pytest.mark.long  # twenty-five processes on each home
@pytest.mark.timeout(600)
@pytest.mark.parametrize("home", HomeName)
def test_an_upload_that_is_killed_at_any_point_leaves_whole_recordings(home: HomeName) -> None:
    row = on_home(home, UPLOADS)
    assert isinstance(row, BareRow)
    assert play_bare(row, rounds=1, seed=1).wrong == []


def audio(home: Home) -> str:
    """Return the name of the file of the recording."""
    manifest = Volume(home).manifest(ID, "audio")
    assert manifest is not None
    return manifest.artifact.path


def cut(home: Home) -> None:
    name = audio(home)
    home.put(name, FIRST[:100], home.version(name))


def forgotten(home: Home) -> None:
    home.remove(f"{Volume(home).folder(ID)}/audio.json")


def vanished(home: Home) -> None:
    home.remove(audio(home))


def unfinished(home: Home) -> None:
    home.put(f"{Volume(home).folder(ID)}/.tmp-1", b"", None)


def doubled(home: Home) -> None:
    home.put(f"{Volume(home).folder(ID)}/audio.old.json", b"", None)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        pytest.param(lambda _home: None, [], id="nothing"),
        pytest.param(unfinished, [], id="an unfinished write"),
        pytest.param(cut, [f"{LOST}: its file is not what was written", "is half"], id="half a file"),
        pytest.param(vanished, [f"{LOST}: its file is not what was written"], id="no file"),
        pytest.param(forgotten, [f"{LOST}: it has no readable manifest", OLD], id="no manifest"),
        pytest.param(doubled, ["is doubled"], id="another file"),
    ],
)
def test_what_is_lost_half_or_doubled_is_detected(
    tmp_path: Path, harm: Callable[[Home], None], said: list[str]
) -> None:
    home = FolderHome(tmp_path / "volume")
    keep(home, FIRST, tmp_path, 1)
    keep(home, SECOND, tmp_path, 2)
    harm(home)
    sweep(home)
    found = [*troubles(home), *rests(home)]
    assert [short for short, what in zip(said, found, strict=True) if short not in what] == []


def test_an_older_recording_is_whole_and_yet_not_the_newer_one(tmp_path: Path) -> None:
    home = FolderHome(tmp_path / "volume")
    keep(home, FIRST, tmp_path, 1)
    assert (list(troubles(home)), list(rests(home))) == ([], [OLD])
