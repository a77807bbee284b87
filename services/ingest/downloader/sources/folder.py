"""Finds the media files below a folder, through links, and counts what is no media file.

Names that begin with a dot are left out: they are hidden files, deleted ones (`.Trash-1000`), or companions that macOS
writes beside a file (`._talk.ogg`). So are the folders in which systems keep deleted files and their own.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.shared.errors import Code, IngestError
from ingest.shared.formats import is_media_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.downloader.sources.listing import Listing

HIDDEN = "hidden (the name begins with a dot)"
OF_SYSTEM = "a folder of the system (deleted files, previews, snapshots)"
SYSTEM_FOLDERS = frozenset(  # of Windows, Synology, QNAP, Linux and unpacked archives of macOS
    {
        "$recycle.bin",
        "recycler",
        "system volume information",
        "#recycle",
        "#snapshot",
        "@eadir",
        "@recycle",
        "@recently-snapshot",
        "lost+found",
        "__macosx",
    }
)
NO_MEDIA = "no media file by its name"
BROKEN_LINK = "a link to nothing"
LOOP = "a link to a folder that was listed already"
OUR_STATE = "the state folder of ingest"


def media_files(folder: Path, listing: Listing, state: Path) -> Iterator[Path]:
    """Yield the media files below a folder, in the order of their paths, but not those of our state folder."""
    yield from sorted(_walk(folder, listing, state.resolve(), set()))


def _walk(folder: Path, listing: Listing, state: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Yield the media files below a folder; `seen` are the folders that were listed, by device and inode."""
    try:
        found = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        listing.fail(str(folder), IngestError(Code.BAD_URL, f"{folder} cannot be read: {error.strerror}"))
        return
    if (found.st_dev, found.st_ino) in seen:
        listing.leave_out(LOOP, str(folder))
        return
    seen.add((found.st_dev, found.st_ino))
    for entry in entries:
        path = Path(entry.path)
        if entry.name.startswith("."):
            listing.leave_out(HIDDEN, entry.path)
        elif entry.name.casefold() in SYSTEM_FOLDERS and path.is_dir():
            listing.leave_out(OF_SYSTEM, entry.path)
        elif path.is_dir() and path.resolve() == state:
            listing.leave_out(OUR_STATE, entry.path)
        elif path.is_dir():
            yield from _walk(path, listing, state, seen)
        elif entry.is_symlink() and not path.exists():
            listing.leave_out(BROKEN_LINK, entry.path)
        elif path.is_file() and is_media_file(path):
            yield path
        else:
            listing.leave_out(NO_MEDIA, entry.path)
