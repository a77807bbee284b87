"""A volume in a folder: local, or shared by all machines (NFS and the like).

A file is written under a temporary name in its folder, flushed and renamed, and the folder is flushed. A link in the
place of a folder or of a small file is not followed: other users of the volume can put one there at any time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import uuid
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from ingest.shared.artifacts.files import (
    LINK,
    flush,
    flush_folder,
    is_file,
    is_linked,
    opened,
    translate_os_errors,
    write_atomically,
)
from ingest.shared.artifacts.home import BLOCK_BYTES, TEMPORARY_PREFIX, ConflictError, Entry, StoredFile, checked
from ingest.shared.artifacts.no_links import opened_folder, read_file
from ingest.shared.errors import Code, IngestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

VIDEOS = "videos/"


class FolderHome:
    """The folder `root`, which may be a link itself: it is the operator's."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    # -- writing ------------------------------------------------------------------------------------------------------

    def put_file(self, folder: str, file: Path | bytes, name_for: Callable[[str], str]) -> StoredFile:
        """Copy a file; the copy is not kept if `name_for` raises an error."""
        with translate_os_errors("keep"), self._opened(folder, create=True) as held:
            temporary = held / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
            try:
                sha256, size = _copy(file, temporary)
                target = held / name_for(sha256)
                _remove_folder(target)
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
            return StoredFile(f"{folder}/{target.name}", sha256, size)

    def put(self, name: str, data: bytes, before: str | None) -> None:
        """Replace a small file, and flush its folder and the one above it."""
        folder, last = _split(name)
        with translate_os_errors("keep"), self._opened(folder, create=True) as held:
            if _version(held / last) != before:
                raise ConflictError(name)
            write_atomically(held / last, data)
            flush_folder(held / "..")

    def remove(self, name: str) -> None:
        """Delete a file or a folder; of a link, the link."""
        folder, last = _split(name)
        with translate_os_errors("discard"), suppress(FileNotFoundError), self._opened(folder) as held:
            _remove_folder(held / last)
            (held / last).unlink(missing_ok=True)

    # -- reading ------------------------------------------------------------------------------------------------------

    def version(self, name: str) -> str | None:
        """Return the identity of a file: every version is another one."""
        with translate_os_errors("read"):
            return _version(self.root / name)

    def get(self, name: str, limit_bytes: int) -> bytes | None:
        """Return a small file; a link, or what is behind one, is none."""
        path = self.root / name
        with translate_os_errors("read"):
            if is_linked(path):
                raise ValueError("is a link, or behind one")
            try:
                return read_file(path, limit_bytes)
            except FileNotFoundError:
                return None

    def local(self, name: str) -> Path | None:
        """Return the file itself; a link within the volume is followed."""
        with translate_os_errors("read"):
            path = self.resolve(name)
            return path if is_file(path) else None

    def resolve(self, name: str) -> Path:
        """Return the path of a file; raise BAD_FIELD if it is outside of the folder, also through a link."""
        path = (self.root / name).resolve()
        if not path.is_relative_to(self.root):
            raise IngestError(Code.BAD_FIELD, "artifact path leaves the volume")
        return path

    def forget_copy(self, name: str) -> bool:  # noqa: ARG002 (of the interface)
        """Return False: no file is copied."""
        return False

    def size(self, name: str) -> int | None:
        """Return the size of a regular file that no link leads to."""
        path = self.root / name
        with translate_os_errors("read"):
            return path.stat().st_size if not is_linked(path) and is_file(path) else None

    def read(self, name: str, start: int, size: int) -> bytes:
        """Return a part of a file. It is opened again for each: a slow reader holds none open."""
        with translate_os_errors("read"):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # not a link or a pipe that takes its place
            handle = os.open(self.root / name, flags)
            try:
                return os.pread(handle, size, start)
            finally:
                os.close(handle)

    def list(self, prefix: str) -> Iterator[Entry]:
        """Yield files, links and empty folders; a file that goes meanwhile counts as one that has just changed.

        Raise ENV_VOLUME when a folder cannot be read: it must not count as empty.
        """
        folder, _, first = prefix.rpartition("/")
        self._refuse_links(folder)
        with translate_os_errors("list"):
            for name, is_folder in _children(self.root / folder):
                if not name.startswith(first):
                    continue
                if is_folder:
                    yield from _below(self.root / folder / name, f"{folder}/{name}")
                else:
                    yield _entry(self.root / folder / name, f"{folder}/{name}")

    def used_bytes(self) -> int:
        """Return the sum of the sizes of all files of videos."""
        return sum(entry.size_bytes for entry in self.list("videos/"))

    def name_of(self, path: Path) -> str | None:
        """Return the name of a folder of this one; None for one outside, and for a link."""
        place = path.parent.resolve() / path.name
        is_inside = place != self.root and place.is_relative_to(self.root) and not place.is_symlink()
        return place.relative_to(self.root).as_posix() if is_inside else None

    @contextmanager
    def _opened(self, folder: str, *, create: bool = False) -> Iterator[Path]:
        with ExitStack() as stack:
            try:
                held = stack.enter_context(opened_folder(self.root, *folder.split("/"), create=create))
            except NotADirectoryError:
                self._refuse_links(folder)
                raise
            yield held

    def _refuse_links(self, folder: str) -> None:
        """Raise BAD_FIELD for a link in the way to a video's folder, ENV_VOLUME for one elsewhere."""
        if is_linked(self.root / folder):
            code = Code.BAD_FIELD if folder.startswith(VIDEOS) else Code.ENV_VOLUME
            raise IngestError(code, LINK.format(folder))


def _split(name: str) -> tuple[str, str]:
    """Return folder and last part of a name; raise BAD_FIELD for one that leads elsewhere."""
    folder, _, last = checked(name).rpartition("/")
    return folder, last


def _version(path: Path) -> str | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return f"{found.st_ino}.{found.st_mtime_ns}.{found.st_size}"


def _copy(source: Path | bytes, target: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with opened(source) as reader, target.open("xb") as writer:
        while block := reader.read(BLOCK_BYTES):
            digest.update(block)
            size += len(block)
            writer.write(block)
        flush(writer)
    return digest.hexdigest(), size


def _remove_folder(path: Path) -> None:
    """Remove a folder that has the name of an artifact; leave anything else."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)


def _children(folder: Path) -> Iterator[tuple[str, bool]]:
    """Yield the names in a folder, and which are folders; nothing for a folder that is gone."""
    with suppress(FileNotFoundError), os.scandir(folder) as found:
        for child in found:
            yield child.name, child.is_dir(follow_symlinks=False)


def _below(folder: Path, name: str) -> Iterator[Entry]:
    is_empty = True
    for child, is_folder in _children(folder):
        is_empty = False
        if is_folder:
            yield from _below(folder / child, f"{name}/{child}")
        else:
            yield _entry(folder / child, f"{name}/{child}")
    if is_empty:
        yield _entry(folder, f"{name}/")


def _entry(path: Path, name: str) -> Entry:
    try:
        found = path.lstat()
    except FileNotFoundError:  # it was renamed: a worker uses it
        return Entry(name, 0, time.time())
    return Entry(name, 0 if name.endswith("/") else found.st_size, found.st_mtime)
