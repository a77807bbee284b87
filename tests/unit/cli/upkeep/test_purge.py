"""A sweep of the volume while workers write to it."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ingest.cli.upkeep.purge import sweep
from ingest.cli.upkeep.retention import Limits
from ingest.shared.artifacts.volume import Volume
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = Limits(timedelta(days=30), timedelta(hours=1), timedelta(hours=24), 0.0)
SWEEPS = 50
OTHERS = 200


def test_a_file_that_disappears_meanwhile_does_not_end_the_sweep(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    folder = on_disk(volume).folder("abcdefghijk")
    download = tmp_path / "scratch" / "download"
    for path in (folder, download):
        path.mkdir(parents=True)
        for number in range(OTHERS):
            (path / f"z{number}").touch()
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            for path in (folder / ".tmp-1", download / "a.part"):
                path.touch()
                path.rename(path.with_name("done"))

    worker = threading.Thread(target=work)
    worker.start()
    try:
        found = [sweep(volume, tmp_path / "scratch", lambda _: {}, LIMITS, delete=False) for _ in range(SWEEPS)]
    finally:
        stop.set()
        worker.join()
    assert found == [[]] * SWEEPS


@pytest.mark.parametrize("place", ["videos/aa", "videos/aa/abcdefghijk", "scratch/download"])
def test_of_a_link_the_sweep_deletes_the_link_and_not_what_it_leads_to(tmp_path: Path, place: str) -> None:
    volume, outside = Volume(tmp_path / "volume"), tmp_path / "outside"
    (outside / "abcdefghijk").mkdir(parents=True)
    (outside / "abcdefghijk" / "kept.txt").touch()
    link = on_disk(volume).root / place
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    at_once = Limits(timedelta(0), timedelta(0), timedelta(0), 0.0)
    removed = sweep(volume, on_disk(volume).root / "scratch", lambda _: {}, at_once, delete=True)
    assert [removal.what for removal in removed] == [place]
    assert not link.is_symlink()
    assert (outside / "abcdefghijk" / "kept.txt").exists()


@pytest.mark.parametrize("target", ["videos", "videos/aa"])
def test_a_link_in_the_place_of_the_scratch_folder_deletes_no_recording(tmp_path: Path, target: str) -> None:
    volume = Volume(tmp_path / "volume")
    kept = on_disk(volume).root / "videos" / "aa" / "abcdefghijk" / "kept.txt"
    kept.parent.mkdir(parents=True)
    kept.touch()
    (on_disk(volume).root / "scratch").symlink_to(on_disk(volume).root / target)
    at_once = Limits(timedelta(0), timedelta(0), timedelta(days=1), 0.0)
    assert sweep(volume, on_disk(volume).root / "scratch", lambda _: {}, at_once, delete=True) == []
    assert kept.exists()
