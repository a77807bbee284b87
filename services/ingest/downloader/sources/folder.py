"""Finds the media files below a folder, through links, and counts what is no media file.

Names that begin with a dot are left out: they are hidden files, deleted ones (`.Trash-1000`), or companions that macOS
writes beside a file (`._talk.ogg`). So are the folders in which systems keep deleted files and their own.
What cannot be read (a path that is too long for the system, a server that does not answer) hides nothing beside it.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ingest.downloader.captions.beside import SUFFIXES as CAPTION_SUFFIXES
from ingest.shared.errors import Code, IngestError
from ingest.shared.formats import is_media_file
from ingest.shared.text import shorten

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
CAPTIONS = "captions, which are taken with their recording (--captions)"
BROKEN_LINK = "a link to nothing"
LOOP = "a link to a folder that was listed already"
OUR_STATE = "the state folder of ingest"
FILE: Final = "file"
FOLDER: Final = "folder"


def media_files(folder: Path, listing: Listing, state: Path) -> Iterator[Path]:
    """Yield the media files below a folder, in the order of their paths, but not those of our state folder."""
    yield from sorted(_walk(folder, listing, state))


def _walk(top: Path, listing: Listing, state: Path) -> Iterator[Path]:
    """Yield the media files below a folder, which may be nested as deeply as any disk permits."""
    reasons: dict[tuple[int, int], str] = {}  # why a folder, by device and inode, is not listed
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        below = []
        for entry in _entries(folder, listing, reasons):
            path = Path(entry.path)
            try:
                kind = _kind(entry, path)
            except OSError as error:
                listing.fail(str(path), _unreadable(path, error))
                continue
            if kind is FILE:
                yield path
            elif kind is FOLDER:
                below.append(path)
            else:
                listing.leave_out(kind, str(path))
        waiting += reversed(below)
        if folder is top:  # the state folder itself may be named
            with suppress(OSError):
                reasons.setdefault(_identity(state), OUR_STATE)


def _entries(folder: Path, listing: Listing, reasons: dict[tuple[int, int], str]) -> list[os.DirEntry[str]]:
    """Return what is in a folder; nothing of one that was listed already, or cannot be."""
    try:
        identity = _identity(folder)
        if identity in reasons:
            listing.leave_out(reasons[identity], str(folder))
            return []
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        listing.fail(str(folder), _unreadable(folder, error))
        return []
    reasons[identity] = LOOP
    return entries


def _identity(folder: Path) -> tuple[int, int]:
    """Return device and inode of a folder, whatever its path."""
    found = folder.stat()
    return found.st_dev, found.st_ino


def _kind(entry: os.DirEntry[str], path: Path) -> str:
    """Return whether an entry of a folder is a media file or a folder, else why it is left out."""
    if entry.name.startswith("."):
        return HIDDEN
    try:
        is_folder, is_file = entry.is_dir(), entry.is_file()
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            return BROKEN_LINK
        raise
    if is_folder and entry.name.casefold() in SYSTEM_FOLDERS:
        return OF_SYSTEM
    if is_folder:
        return FOLDER
    if is_file:
        other = CAPTIONS if path.suffix.lower() in CAPTION_SUFFIXES else NO_MEDIA
        return FILE if is_media_file(path) else other
    return NO_MEDIA if not entry.is_symlink() or path.exists() else BROKEN_LINK


def _unreadable(path: Path, error: OSError) -> IngestError:
    return IngestError(Code.BAD_URL, f"{shorten(str(path))} cannot be read: {error.strerror}")
