"""A disk that is full is said once, and that it has room again."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.cli.local.disk_room import DiskWatch, Room, explained

FOLDER = Path("/state")
MEBI = 1 << 20


@pytest.mark.parametrize(
    ("free_mb", "said"),
    [
        pytest.param([500, 500], [], id="room"),
        pytest.param([500, 63, 3, 3], ["63 MB left"], id="full, said once"),
        pytest.param([3, 100, 3], ["3 MB left"], id="at the edge"),
        pytest.param([3, 128, 500, 2], ["3 MB left", "room again", "2 MB left"], id="room again"),
        pytest.param([None, 3], ["3 MB left"], id="a folder that is not there yet"),
        pytest.param([(500, 9), (500, 9), (500, 5000)], ["takes 9 more files", "room again"], id="no more files"),
        pytest.param([(3, 9), (500, 9)], ["3 MB left"], id="neither"),
    ],
)
def test_each_change_of_a_disk_is_said_once(free_mb: list[int | tuple[int, int] | None], said: list[str]) -> None:
    left = iter(free_mb)

    def measure(_folder: Path) -> Room:
        found = next(left)
        if found is None:
            raise FileNotFoundError
        size, files = found if isinstance(found, tuple) else (found, None)
        return Room(size * MEBI, files)

    watch = DiskWatch((FOLDER, FOLDER), measure)
    lines = [line for _ in free_mb for line in watch.news()]
    assert len(lines) == len(said)
    assert all(words in line and "/state" in line for line, words in zip(lines, said, strict=True))


def test_an_error_on_a_disk_with_room_stays_as_it_is(tmp_path: Path) -> None:
    assert explained("a\nb", tmp_path) == "a\nb"
