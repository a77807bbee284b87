"""Writes local files whole or not at all, and translates the errors of file systems into codes."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import uuid
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ingest.shared.artifacts.home import BLOCK_BYTES, TEMPORARY_PREFIX
from ingest.shared.errors import Code, IngestError

if TYPE_CHECKING:
    from collections.abc import Iterator

LINK = "{} is a link, or leads through one: remove it from the volume"
_CODES: dict[int | None, Code] = {
    errno.ENOSPC: Code.ENV_DISK_FULL,
    errno.EDQUOT: Code.ENV_DISK_FULL,
    errno.ENAMETOOLONG: Code.BAD_FIELD,  # the name comes from a message
}


@contextmanager
def translate_os_errors(what: str) -> Iterator[None]:
    """Turn errors of the file system into codes: full is ENV_DISK_FULL, nearly anything else ENV_VOLUME."""
    try:
        yield
    except OSError as error:
        code = _CODES.get(error.errno, Code.ENV_VOLUME)
        raise IngestError(code, f"{what}: {error.strerror or error}") from error


def write_atomically(path: Path, data: bytes) -> None:
    """Write a small file: readers see all of it or none. After the return it survives a power cut."""
    with opened_atomically(path) as file:
        file.write(data)


@contextmanager
def opened_atomically(path: Path) -> Iterator[BinaryIO]:
    """Give a new file that takes the place of `path` when it is complete, and is deleted after an error."""
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            yield file
            flush(file)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush_folder(path.parent)


def opened(content: Path | bytes) -> BinaryIO:
    """Return an open file with this content: that of a file, or of memory."""
    return BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def sha256_of(content: Path | bytes) -> tuple[str, int]:
    """Return the SHA-256 (hex) and the size of a content: that of a file, or of memory."""
    digest, size = hashlib.sha256(), 0
    with opened(content) as reader:
        while block := reader.read(BLOCK_BYTES):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def flush(file: BinaryIO) -> None:
    """Write the content of a file to the disk."""
    file.flush()
    os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Write the entries of a folder to the disk: renamed files keep their names after a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_file(path: Path) -> bool:
    """Return whether there is a regular file; raise the OSError of a file system that cannot say.

    `Path.is_file` returns False for such an error on Python 3.14: an unreadable volume would look like a missing file.
    """
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return False
        raise


def refuse_links(root: Path, *names: str) -> Path:
    """Return the path of a folder on the volume; raise ENV_VOLUME when it, or a folder above it, is a link."""
    path = root.resolve().joinpath(*names)
    if is_linked(path):
        raise IngestError(Code.ENV_VOLUME, LINK.format(Path(*names)))
    return path


def is_linked(path: Path) -> bool:
    """Return whether a path, or a folder above it, is a link; `path` begins with the volume's resolved root."""
    return os.path.realpath(path) != str(path)
