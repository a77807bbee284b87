"""The home of a volume: where its files are. The narrowest interface that the services need of it.

    folder        shared by all machines, or on one (`artifacts/folder_home.py`)
    object store  S3-compatible, with local copies (`homes/s3.py`)
    JetStream     a bucket on the NATS server, with local copies (`homes/jetstream.py`)

A file has a name like `videos/<2 hex digits>/<video id>/audio-<16 hex>.mp3`. Every home keeps these promises:

* A file is there as a whole or not at all, and survives a power cut once `put_file` or `put` has returned.
* A small file is replaced only by a writer that names its present version: the later of two writers gets an error.
  (A shared folder cannot promise this for the same instant: there the later one wins.)
* A name leads to no file outside of the home, neither by `..` nor by a link.
* A file that was deleted is not listed; one that is being written is listed under a temporary name, or not at all.
* Errors are IngestErrors: ENV_DISK_FULL, ENV_VOLUME (the message is postponed), BAD_FIELD for an impossible name.

What a file is, by which name it is found and whether it is what was written, is the matter of `volume.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ingest.shared.errors import Code, IngestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TEMPORARY_PREFIX = ".tmp-"
BLOCK_BYTES = 1 << 20


class ConflictError(Exception):
    """Another writer has replaced a small file, or made it, in the meantime."""


def checked(name: str) -> str:
    """Return a name; raise BAD_FIELD for one that could lead elsewhere."""
    if any(part in {"", ".", ".."} for part in name.split("/")):
        raise IngestError(Code.BAD_FIELD, f"{name} is no name of a file")
    return name


@dataclass(frozen=True)
class Entry:
    """A file, and when it was last changed (seconds since 1970). The name of an empty folder ends with `/`."""

    name: str
    size_bytes: int
    changed_at_s: float


@dataclass(frozen=True)
class StoredFile:
    """A file that a home has taken in."""

    name: str
    sha256: str
    size_bytes: int


class Home(Protocol):
    """Files by name."""

    def put_file(self, folder: str, file: Path | bytes, name_for: Callable[[str], str]) -> StoredFile:
        """Store a local file, or what would be in one, in a folder.

        `name_for` gets its SHA-256 and returns its name there. The file is not stored if it raises an error.
        """

    def put(self, name: str, data: bytes, before: str | None) -> None:
        """Store a small file in the place of its version `before`, None for none; raise ConflictError for another."""

    def version(self, name: str) -> str | None:
        """Return what tells the present content of a small file from earlier ones; None when there is none."""

    def get(self, name: str, limit_bytes: int) -> bytes | None:
        """Return a small file; None when there is none. Raise ValueError for a longer one, and for what is no file."""

    def local(self, name: str) -> Path | None:
        """Return a file on this machine with the content of a file; None when there is none.

        It stays there for minutes: open it at once.
        """

    def forget_copy(self, name: str) -> bool:
        """Delete the copy that `local` made of a file, and was not used yet; return whether there was one."""

    def size(self, name: str) -> int | None:
        """Return the number of bytes of a file; None when there is none."""

    def read(self, name: str, start: int, size: int) -> bytes:
        """Return a part of a file: less at its end."""

    def list(self, prefix: str) -> Iterator[Entry]:
        """Yield the files whose names begin with `prefix`; files may come and go meanwhile.

        Those of one folder follow each other.
        """

    def used_bytes(self) -> int:
        """Return the space that the files of all videos take."""

    def remove(self, name: str) -> None:
        """Delete a file, if there is one, and all that is below this name."""

    def name_of(self, path: Path) -> str | None:
        """Return the name of a local path that is a part of this home; None for any other."""
