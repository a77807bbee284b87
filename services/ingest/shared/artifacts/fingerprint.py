"""Identifies the files of a model by their content, or by the commit of a snapshot in the hub's cache.

Sizes and dates do not: a retrained model has files of the same sizes, and a copied one has other dates.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BLOCK_BYTES = 1 << 20
DOWNLOAD_FOLDER = ".cache"  # the hub's client keeps locks and dates of its downloads in it
COMMIT = re.compile(r"[0-9a-f]{40}")
KEY_LENGTH = 12

_FileState = tuple[str, int, int, int]  # relative name, size, mtime_ns, inode


def fingerprint(folder: Path) -> str:
    """Return the SHA-256 (hex) of a folder: the relative names, sizes and contents of all files in it.

    A process reads unchanged files once: the result is kept by path, size, modification time and inode of each file.
    """
    return _digest(folder, tuple(_states(folder)))


def hub_commit(folder: Path) -> str | None:
    """Return the commit whose snapshot a folder of the hub's cache is; None for any other folder."""
    is_snapshot = folder.parent.name == "snapshots" and COMMIT.fullmatch(folder.name)
    return folder.name if is_snapshot else None


def short_id(folder: Path) -> str:
    """Return 12 hex digits that identify a model for a key: of its commit on the hub, else of its content."""
    return (hub_commit(folder) or fingerprint(folder))[:KEY_LENGTH]


def _states(folder: Path) -> list[_FileState]:
    states = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        relative = path.relative_to(folder)
        if DOWNLOAD_FOLDER not in relative.parts:
            stat = path.stat()
            states.append((relative.as_posix(), stat.st_size, stat.st_mtime_ns, stat.st_ino))
    return states


@lru_cache(maxsize=16)
def _digest(folder: Path, states: tuple[_FileState, ...]) -> str:
    digest = hashlib.sha256()
    for name, size, *_ in states:
        digest.update(f"{name}\0{size}\0".encode())
        with (folder / name).open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()
