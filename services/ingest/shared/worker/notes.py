"""The small notes that all workers share: the crash journal's.

Nothing is flushed to the disk: notes need to survive the death of a process, not of a machine (which is not the job's
fault and is not charged).
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from ingest.shared.artifacts.files import refuse_links, translate_os_errors
from ingest.shared.artifacts.home import ConflictError
from ingest.shared.artifacts.no_links import opened_folder, read_file
from ingest.shared.homes.chosen import home_of, is_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ingest.shared.artifacts.home import Home
    from ingest.shared.settings import Settings

FOLDER = "workers"  # on the volume
COUNTS = "crashes"  # the folder with a note for each job that ended its worker


class Notes(Protocol):
    """Notes by name: `NAME` or `FOLDER/NAME`. Errors are IngestErrors: ENV_VOLUME, ENV_DISK_FULL."""

    def read(self, name: str, limit_bytes: int) -> bytes | None:
        """Return a note, None when there is none; raise ValueError for one that is longer, or no note."""

    def write(self, name: str, data: bytes) -> None:
        """Write a note so that it is whole, or as it was."""

    def remove(self, name: str) -> None:
        """Delete a note, if there is one."""

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names of the notes in a folder that begin with `prefix`."""


class FolderNotes:
    """Notes in a folder, which is made. Links in the place of a note and in that of its folder are not followed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with translate_os_errors("volume"):
            (folder / COUNTS).mkdir(parents=True, exist_ok=True)

    def read(self, name: str, limit_bytes: int) -> bytes | None:
        """Return the content of a file."""
        with translate_os_errors("note"):
            try:
                return read_file(self._folder / name, limit_bytes)
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes) -> None:
        """Write a temporary file and rename it."""
        *above, last = name.split("/")
        with translate_os_errors("note"), opened_folder(self._folder.parent, self._folder.name, *above) as folder:
            temporary = folder / f"{last}.tmp"
            if temporary.is_symlink():
                temporary.unlink()
            with open(temporary, "wb", opener=_open_no_link) as new:
                new.write(data)
            temporary.replace(folder / last)

    def remove(self, name: str) -> None:
        """Delete a file."""
        with translate_os_errors("note"):
            (self._folder / name).unlink(missing_ok=True)

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names of files; none where the folder is missing."""
        folder, slash, first = prefix.rpartition("/")
        with translate_os_errors("note"), suppress(FileNotFoundError):
            for path in sorted((self._folder / folder).iterdir()):
                if path.name.startswith(first) and not path.is_dir():
                    yield f"{folder}{slash}{path.name}"


class HomeNotes:
    """Notes in the home of a volume that is no folder."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def read(self, name: str, limit_bytes: int) -> bytes | None:
        """Return a small file."""
        return self._home.get(f"{FOLDER}/{name}", limit_bytes)

    def write(self, name: str, data: bytes) -> None:
        """Write a small file: a note has one writer at a time."""
        place = f"{FOLDER}/{name}"
        while True:
            with suppress(ConflictError):
                self._home.put(place, data, self._home.version(place))
                return

    def remove(self, name: str) -> None:
        """Delete a small file."""
        self._home.remove(f"{FOLDER}/{name}")

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names of small files."""
        for entry in self._home.list(f"{FOLDER}/{prefix}"):
            name = entry.name.removeprefix(f"{FOLDER}/")
            if name.count("/") == prefix.count("/"):
                yield name


def notes_of(settings: Settings) -> Notes:
    """Return the notes on the volume that the settings name; raise ENV_VOLUME where a link is in the way."""
    if not is_folder(settings):
        return HomeNotes(home_of(settings))
    refuse_links(settings.volume, FOLDER, COUNTS)
    return FolderNotes(refuse_links(settings.volume, FOLDER))


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)
