"""A small file system, for tests of a disk that is full or read-only."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUSY_S = 10.0


class NoRightToMountError(Exception):
    """This process may not mount: a container without privileges, or not root."""


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system of this size; raise NoRightToMountError where that is not allowed."""
    folder.mkdir()
    words = ["/bin/mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoRightToMountError(done.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["/bin/umount", "-l", str(folder)], check=True)


@contextmanager
def full(folder: Path, spare_bytes: int = 0) -> Iterator[None]:
    """Fill a file system for the time of a block."""
    ballast = folder / "ballast"
    try:
        with ballast.open("wb") as file:
            while not _filled(file.fileno(), spare_bytes):
                continue  # another process has just taken some of the space
        yield
    finally:
        ballast.unlink()


def _filled(file: int, spare_bytes: int) -> bool:
    disk = os.fstatvfs(file)
    left_bytes = disk.f_bavail * disk.f_bsize - spare_bytes
    if left_bytes <= 0:
        return True
    try:
        os.posix_fallocate(file, 0, left_bytes)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a small file system read-only for the time of a block, once no file is open for writing."""
    deadline = time.monotonic() + BUSY_S
    while not _remounted(folder, "ro"):
        assert time.monotonic() < deadline, f"{folder} is always being written to"
    try:
        yield
    finally:
        assert _remounted(folder, "rw")


def _remounted(folder: Path, how: str) -> bool:
    words = ["/bin/mount", "-o", f"remount,{how}", str(folder)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0
