"""Local copies of files of a remote home: of what this machine has just written or read.

A copy is made under a temporary name and renamed, so it is whole. Above the limit the copies that were not used for the
longest time are deleted, but none that was used in the last minutes: its user may not have opened it yet.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ingest.shared.artifacts.files import translate_os_errors
from ingest.shared.artifacts.home import TEMPORARY_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IN_USE_S = 600.0
LEFTOVER_AFTER_S = 86_400.0  # no download takes so long: its process has ended


class Cache:
    """Copies in a folder of at most `limit_bytes`, which processes of one machine may share."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit = limit_bytes

    def find(self, name: str, size: int) -> Path | None:
        """Return the copy of a file of this size, and note its use."""
        path = self._path(name)
        with translate_os_errors("cache"), suppress(FileNotFoundError):
            if path.stat().st_size == size:
                os.utime(path)
                return path
        return None

    @contextmanager
    def new(self, name: str) -> Iterator[Path]:
        """Give a path to write a copy to; it takes its place unless an error is raised."""
        with translate_os_errors("cache"):
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = self._folder / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
            try:
                yield temporary
                temporary.replace(self._path(name))
            finally:
                temporary.unlink(missing_ok=True)
        self._evict()

    def adopt(self, name: str, file: Path) -> None:
        """Keep a file that was just written, where this needs no copying."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            os.link(file, self._path(name))
            self._evict()

    def drop(self, name: str) -> bool:
        """Delete a copy; return whether there was one."""
        with translate_os_errors("cache"):
            try:
                self._path(name).unlink()
            except FileNotFoundError:
                return False
        return True

    def _path(self, name: str) -> Path:
        _, dot, extension = name.rpartition("/")[2].partition(".")
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}{dot}{extension}"

    def _evict(self) -> None:
        with suppress(OSError):
            found = [(path, path.stat()) for path in self._folder.iterdir()]
            sizes = sorted((stat.st_mtime, stat.st_size, path) for path, stat in found)
            excess, now = sum(size for _, size, _ in sizes) - self._limit, time.time()
            for used_at, size, path in sizes:
                is_new = path.name.startswith(TEMPORARY_PREFIX) and now - used_at < LEFTOVER_AFTER_S
                if excess <= 0 or now - used_at < IN_USE_S:
                    return
                if not is_new:
                    path.unlink(missing_ok=True)
                    excess -= size
