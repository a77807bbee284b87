"""Opens folders and files of the shared volume without following a link.

Other users of a volume can put a link in the place of a folder at any time, also between a check and its use. So a
folder is opened step by step and used by its handle: `/proc/self/fd/N` stays the folder that was opened.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def opened_folder(root: Path, *names: str, create: bool = False) -> Iterator[Path]:
    """Give the folder `names` below `root`, as a path to its handle for this process; with `create`, make it.

    `root` may be a link: it is the operator's. Raise OSError (ENOTDIR) where another step is a link.
    """
    if create and not root.is_dir():
        root.mkdir(parents=True, exist_ok=True)
    handle = os.open(root, _FOLDER)
    try:
        for name in names:
            above = handle
            handle = _step(above, name, create=create)
            os.close(above)
        yield Path(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)


def _step(above: int, name: str, *, create: bool) -> int:
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=above)
    except FileNotFoundError:
        if not create:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=above)
    return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=above)


def true_path(held: Path) -> Path:
    """Return the path of an opened folder for other processes, which do not have its handle."""
    return held.readlink()


def read_file(path: Path, limit_bytes: int) -> bytes:
    """Return the content of a regular file; raise ValueError for a link, a pipe (it may never end) or a longer file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError("is a link") from error
        if error.errno in (errno.ENXIO, errno.ENODEV):
            raise ValueError("is a socket or a device") from error
        raise
    with os.fdopen(handle, "rb") as file:
        mode = os.fstat(handle).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # reading a folder has an error of its own
            raise ValueError("is no file")
        data = file.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise ValueError(f"is longer than {limit_bytes} bytes")
    return data
