"""Media files on this machine or a mounted volume, and folders of them."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.downloader.captions.beside import beside
from ingest.downloader.sources.announced import Announcement, announced
from ingest.downloader.sources.connector import (
    Access,
    Connector,
    Download,
    Recording,
    derived_id,
    each_valid,
    source_of,
)
from ingest.downloader.sources.dates import day_in
from ingest.downloader.sources.feeds import lists
from ingest.downloader.sources.feeds.forms import LIST_SUFFIXES
from ingest.downloader.sources.folder import media_files
from ingest.shared.about import DateSource
from ingest.shared.artifacts.files import is_file, translate_os_errors
from ingest.shared.errors import Code, IngestError
from ingest.shared.formats import MEDIA_SUFFIXES
from ingest.shared.messages import Source, SourceKind
from ingest.shared.sandbox import child
from ingest.shared.sandbox.child import ChildLimits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ingest.downloader.captions.found import CaptionFile
    from ingest.downloader.settings import DownloaderSettings
    from ingest.downloader.sources.listing import Listing
    from ingest.shared.sandbox.child import Watcher

LIST_DEADLINE_S = 60.0
HEAD_DEADLINE_S = 30.0
EMPTY = "an empty file (0 bytes)"


def recognises(text: str) -> bool:
    """Return whether a text is the path of an existing file or folder."""
    try:
        return Path(text).expanduser().exists()
    except (OSError, RuntimeError):  # longer than a name may be, the home folder of an unknown user
        return False


def list_recordings(text: str, settings: DownloaderSettings, listing: Listing) -> Iterator[Recording]:
    """Yield the recording of a file, or of each media file below a folder."""
    path = Path(text).expanduser()
    if path.is_file() and path.suffix.lower() in LIST_SUFFIXES:
        named = child.run(lists.read_list, (str(path.absolute()),), _list_limits(path))
        listing.merge(named.left_out)
        listing.further.extend(named.addresses)
        return
    if path.is_file():
        yield recording_of(path)
        return
    if not path.is_dir():
        raise IngestError(Code.BAD_URL, f"{path} is a pipe or a device: save its content as a file")
    problems = len(listing.problems)
    found = list(media_files(path, listing, settings.state_path))
    if not found and len(listing.problems) == problems:
        raise IngestError(Code.NO_MEDIA_FOUND, f"no media files in {path} ({', '.join(sorted(MEDIA_SUFFIXES))})")

    def refuse(file: Path, error: IngestError) -> None:
        if error.code is Code.AUDIO_EMPTY_FILE:
            listing.leave_out(EMPTY, str(file))
        else:
            listing.fail(str(file), error)

    yield from each_valid(recording_of, found, refuse)


def read_with(path: Path) -> Path:
    """Return the file or folder that has to be readable for a source: of a list, its folder."""
    is_list = path.is_file() and path.suffix.lower() in LIST_SUFFIXES
    return path.absolute().parent if is_list else path.absolute()


def _list_limits(path: Path) -> ChildLimits:
    return ChildLimits(LIST_DEADLINE_S, reads=(str(path.absolute()), str(path.resolve())))


def recording_of(path: Path) -> Recording:
    """Return the recording of a file, identified by its content.

    Its day is the one of its recording inside the file, else the one in its name. The time of its last change is none
    of a recording: a copied folder would be all from today.
    """
    name = os.fsencode(path.name)
    if name != path.name.encode(errors="replace"):
        raise IngestError(Code.BAD_URL, f"the name {name!r} is not UTF-8: rename the file")
    source = source_of(SourceKind.FILE, str(path.absolute()))
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            content = hashlib.file_digest(file, "sha256").hexdigest()
            is_empty = file.tell() == 0
            after = os.fstat(file.fileno())
    except OSError as error:
        raise IngestError(Code.BAD_URL, f"{path.name} cannot be read: {error.strerror}") from error
    if is_empty:
        raise IngestError(Code.AUDIO_EMPTY_FILE, f"{path.name} is empty (0 bytes)")
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise IngestError(Code.BAD_URL, f"{path.name} is being written: name it again when it is complete")
    recorded_at = _recorded_at(path)
    found = announced(
        title=path.stem,
        published_at=recorded_at or day_in(path.stem),
        date_source=DateSource.FILE if recorded_at else DateSource.NAME,
    )
    return Recording(content_id(content), source, found.metadata, found.cut)


def _recorded_at(path: Path) -> datetime | None:
    """Return when a file says that it was recorded; None where it says nothing, or cannot be opened: see `download`."""
    from ingest.shared.sandbox import decode  # FFmpeg and numpy: only for the first file

    limits = ChildLimits(HEAD_DEADLINE_S, reads=(str(path.absolute()), str(path.resolve())))
    try:
        return child.run(decode.recorded_at, (str(path.absolute()),), limits)
    except IngestError:
        return None


def content_id(sha256: str) -> str:
    """Return the id of a file by the SHA-256 of its content."""
    return derived_id("file", sha256)


def check(source: Source, access: Access) -> Announcement:
    """Return no metadata; raise the reason why the file may not or cannot be read."""
    allowed_file(source, access.file_roots, follows_links=access.follows_links)
    return Announcement()


def fetch(source: Source, _folder: Path, access: Access, _watch: Watcher | None) -> Download:
    """Return the file where it is; nothing is copied."""
    path = allowed_file(source, access.file_roots, follows_links=access.follows_links)
    return Download(str(path), None, announced(title=path.stem), is_copy=False, captions=_beside(source, access))


def captions(source: Source, folder: Path, access: Access) -> CaptionFile | None:
    """Return the captions beside a file, where they may be read, else those inside of it; None without any."""
    found = _beside(source, access)
    if found is not None or access.options.captions is None:
        return found
    from ingest.downloader.captions import tracks  # FFmpeg: only for the first file

    path = allowed_file(source, access.file_roots, follows_links=access.follows_links)
    return tracks.inside(path, folder, access.options.captions)


def _beside(source: Source, access: Access) -> CaptionFile | None:
    wanted = access.options.captions
    found = None if wanted is None else beside(Path(source.url), wanted)
    if found is None:
        return None
    try:
        named = source_of(SourceKind.FILE, found.path)
        path = allowed_file(named, access.file_roots, follows_links=access.follows_links)
    except IngestError:  # a link that leads out of the folders that may be read
        return None
    return replace(found, path=str(path))


def allowed_file(source: Source, roots: tuple[Path, ...], *, follows_links: bool = False) -> Path:
    """Return the file of a source; refuse a file outside the folders that may be read.

    With `follows_links`, a link inside of these folders may lead out of them.
    Raise ENV_VOLUME when such a folder is missing or cannot be read: the file may still exist.
    """
    with translate_os_errors("INGEST_FILE_ROOTS"):
        path = Path(source.url).resolve()
        folders = [root for root in roots if path.is_relative_to(root.resolve())]
        if follows_links:
            named = Path(os.path.normpath(source.url))
            folders += [root for root in roots if named.is_relative_to(os.path.normpath(root))]
        if not folders:
            raise IngestError(Code.URL_NOT_ALLOWED, "local file outside INGEST_FILE_ROOTS")
        if not is_file(path):
            for root in folders:
                (root.parent if root.resolve() == path else root).stat()  # a root may be the file itself
            raise IngestError(Code.VIDEO_GONE, f"no such file: {path.name}")
    return path


CONNECTOR = Connector(
    recognises=recognises,
    list=list_recordings,
    kind=SourceKind.FILE,
    site=lambda _url: None,
    check=check,
    fetch=fetch,
    captions=captions,
    content_id=content_id,
)
