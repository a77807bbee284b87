"""Says that the disk of a folder is full: the cause of what the servers and services on it report in many ways."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

LEAST_FREE_BYTES = 64 << 20  # the servers need this much for their first start
LEAST_FREE_FILES = 2000  # and this many


class Room(NamedTuple):
    """What this user may still write to a disk. `files` is None where a disk counts bytes alone."""

    size: int
    files: int | None = None


def room(folder: Path) -> Room:
    """Return the room on the disk of a folder."""
    disk = os.statvfs(folder)
    return Room(disk.f_bavail * disk.f_frsize, disk.f_favail if disk.f_files else None)


def shortage(folder: Path, left: Room) -> str | None:
    """Return that the disk of a folder is full, or None while it has room."""
    if left.size < LEAST_FREE_BYTES:
        return f"the disk of {folder} has {left.size >> 20} MB left: free {LEAST_FREE_BYTES >> 20} MB or more"
    if left.files is not None and left.files < LEAST_FREE_FILES:
        return (
            f"the disk of {folder} takes {left.files} more files (df -i): delete some until it takes {LEAST_FREE_FILES}"
        )
    return None


def explained(error: str, folder: Path) -> str:
    """Return an error, after its cause if the disk is full."""
    cause = shortage(folder, room(folder))
    return error if cause is None else f"{cause} ({shorten(error.partition(chr(10))[0].rstrip(':'), 200)})"


class DiskWatch:
    """Watches the disks of folders during a run."""

    def __init__(self, folders: Iterable[Path], measure: Callable[[Path], Room] = room) -> None:
        self._folders = tuple(dict.fromkeys(folders))
        self._measure = measure
        self._full: set[Path] = set()

    def news(self) -> list[str]:
        """Return a line for each disk that is full, or has room again, since the last call."""
        return [line for folder in self._folders if (line := self._change(folder)) is not None]

    def _change(self, folder: Path) -> str | None:
        try:
            left = self._measure(folder)
        except OSError:  # a folder that is missing has an error of its own
            return None
        line = shortage(folder, left)
        if folder not in self._full and line is not None:
            self._full.add(folder)
            return f"{line}; the run goes on when there is room"
        half = Room(left.size // 2, None if left.files is None else left.files // 2)
        if folder in self._full and shortage(folder, half) is None:
            self._full.remove(folder)
            return f"the disk of {folder} has room again"
        return None
