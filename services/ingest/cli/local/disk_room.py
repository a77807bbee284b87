"""Says that the disk of a folder is full: the cause of what the servers and services on it report in many ways."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

LEAST_FREE_BYTES = 64 << 20  # the servers need this much for their first start


def free_bytes(folder: Path) -> int:
    """Return how many bytes this user may still write to the disk of a folder."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def shortage(folder: Path, free: Callable[[Path], int] = free_bytes) -> str | None:
    """Return that the disk of a folder is full, or None while it has room."""
    left = free(folder)
    if left >= LEAST_FREE_BYTES:
        return None
    return f"the disk of {folder} has {left >> 20} MB left: free {LEAST_FREE_BYTES >> 20} MB or more"


def explained(error: str, folder: Path) -> str:
    """Return an error, after its cause if the disk is full."""
    cause = shortage(folder)
    return error if cause is None else f"{cause} ({shorten(error.partition(chr(10))[0].rstrip(':'), 200)})"


class DiskWatch:
    """Watches the disks of folders during a run."""

    def __init__(self, folders: Iterable[Path], free: Callable[[Path], int] = free_bytes) -> None:
        self._folders = tuple(dict.fromkeys(folders))
        self._free = free
        self._full: set[Path] = set()

    def news(self) -> list[str]:
        """Return a line for each disk that is full, or has room again, since the last call."""
        return [line for folder in self._folders if (line := self._change(folder)) is not None]

    def _change(self, folder: Path) -> str | None:
        try:
            left = self._free(folder)
            line = shortage(folder, lambda _: left)
        except OSError:  # a folder that is missing has an error of its own
            return None
        if folder not in self._full and line is not None:
            self._full.add(folder)
            return f"{line}; the run goes on when there is room"
        if folder in self._full and left >= 2 * LEAST_FREE_BYTES:
            self._full.remove(folder)
            return f"the disk of {folder} has room again"
        return None
