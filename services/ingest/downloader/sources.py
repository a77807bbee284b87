"""What a user types (a channel, playlist, video, feed, address, file or folder) becomes a list of recordings.

Identity: a YouTube video keeps its own id; any other recording gets one of the same shape made from what identifies it
(a feed's guid, an address, the content of a file), so that it is the same recording next time.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import SplitResult, parse_qs, urldefrag, urljoin, urlsplit

from pydantic import ValidationError

from ingest.downloader import ytdlp
from ingest.downloader.feeds import FeedItem, read_feed
from ingest.downloader.settings import listed
from ingest.downloader.ytdlp import Entry, SiteOptions
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import VIDEO_ID_PATTERN, Metadata, Source, SourceKind
from ingest.shared.sandbox import child
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.text import clean, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ingest.downloader.settings import DownloaderSettings

YOUTUBE_HOSTS = {"youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com", "youtu.be"}
MEDIA_SUFFIXES = frozenset(
    {".aac", ".flac", ".m4a", ".mka", ".mkv", ".mov", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".wav", ".webm"}
)
LISTING_DEADLINE_S = 300.0
PAGE = 200
CHANNEL_ID = re.compile(r"^UC[A-Za-z0-9_-]{22}$")
log = get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Recording:
    """One recording to be archived."""

    video_id: str
    source: Source
    metadata: Metadata


def site_options(settings: DownloaderSettings) -> SiteOptions:
    """Return how to talk to sites."""
    return SiteOptions(
        extractors=listed(settings.extractors),
        socket_timeout_s=settings.socket_timeout_s,
        max_bytes=settings.max_download_bytes,
        site_pause_s=settings.site_pause_s,
        cookies_file=str(settings.cookies_file) if settings.cookies_file else None,
    )


def recordings(
    text: str, settings: DownloaderSettings, before_listing: Callable[[], object] = lambda: None
) -> Iterator[Recording]:
    """Yield the recordings of a source, a channel page by page; raise IngestError for what is no source.

    `before_listing` is called each time before YouTube is asked for a page of a channel or playlist.
    """
    path = _existing(text)
    if path is not None:
        yield from _files(path)
        return
    if re.fullmatch(VIDEO_ID_PATTERN, text):
        yield youtube_video(text)
        return
    parts = _web_address(text)
    if parts is None:
        raise IngestError(Code.BAD_URL, f"{shorten(text)!r} is no address, no YouTube id, and there is no such file")
    if parts.hostname in YOUTUBE_HOSTS:
        yield from _youtube(text, settings, before_listing)
    else:
        yield from _address(text, settings)


def _existing(text: str) -> Path | None:
    try:
        path = Path(text).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError):  # longer than a name may be, the home of nobody
        return None


def _web_address(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets around what is no IPv6 address
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None


def _source(kind: SourceKind, url: str) -> Source:
    try:
        return Source(kind=kind, url=url)
    except ValidationError as error:  # too long, or not Unicode
        raise IngestError(Code.BAD_URL, f"{shorten(url, 100)!r}: {error.errors()[0]['msg']}") from error


def _each(make: Callable[[T], Recording], things: Iterable[T]) -> Iterator[Recording]:
    """Yield the recording of each thing; one that cannot be had is told, and does not hide its neighbours."""
    for thing in things:
        try:
            recording = make(thing)
        except IngestError as error:
            log.warning("left_out", code=error.code, error=error.message)
        else:
            yield recording


# -- YouTube ----------------------------------------------------------------------------------------------------------


def youtube_video(video_id: str, metadata: Metadata | None = None) -> Recording:
    """Return a YouTube video by its id."""
    source = Source(kind=SourceKind.YOUTUBE, url=f"https://www.youtube.com/watch?v={video_id}")
    return Recording(video_id, source, metadata or Metadata())


def video_id_of(url: str) -> str | None:
    """Return the video id that a YouTube address names, or None when it names something else."""
    parts = urlsplit(url)
    segments = [segment for segment in parts.path.split("/") if segment]
    candidate = None
    if parts.hostname == "youtu.be":
        candidate = segments[0] if segments else None
    elif segments[:1] == ["watch"]:
        candidate = parse_qs(parts.query).get("v", [None])[0]
    elif len(segments) > 1 and segments[0] in ("shorts", "live", "embed", "v"):
        candidate = segments[1]
    return candidate if candidate and re.fullmatch(VIDEO_ID_PATTERN, candidate) else None


def uploads_playlist(channel_id: str) -> str:
    """Return the playlist of all uploads of a channel: its /videos page shows 600 at most."""
    if not CHANNEL_ID.fullmatch(channel_id):
        raise IngestError(Code.BAD_URL, f"{channel_id!r} is no YouTube channel id")
    return f"https://www.youtube.com/playlist?list=UU{channel_id[2:]}"


def _youtube(url: str, settings: DownloaderSettings, before_listing: Callable[[], object]) -> Iterator[Recording]:
    video_id = video_id_of(url)
    if video_id is not None:
        yield youtube_video(video_id)
        return
    limits = _listing_limits(settings)
    options = site_options(settings)
    segments = [segment for segment in urlsplit(url).path.split("/") if segment]
    if segments[:1] == ["playlist"]:
        listing_url = url
    elif segments[:1] == ["channel"] and len(segments) > 1:
        listing_url = uploads_playlist(segments[1])
    else:
        before_listing()
        listing_url = uploads_playlist(child.run(ytdlp.channel_id, (url, options), limits))
    first = 1
    while True:
        before_listing()
        entries: list[Entry] = child.run(ytdlp.listing, (listing_url, options, first, first + PAGE - 1), limits)
        for entry in entries:
            if re.fullmatch(VIDEO_ID_PATTERN, entry.video_id):
                yield youtube_video(entry.video_id, entry.metadata)
        if len(entries) < PAGE:
            return
        first += PAGE


# -- everything else --------------------------------------------------------------------------------------------------


def _address(url: str, settings: DownloaderSettings) -> Iterator[Recording]:
    url = urldefrag(url).url
    if Path(urlsplit(url).path).suffix.lower() in MEDIA_SUFFIXES:
        yield media_at(url)
        return
    items = child.run(read_feed, (url, settings.socket_timeout_s), _listing_limits(settings))
    if items is None:
        yield media_at(url)
        return
    yield from _each(partial(_episode, url), items)


def media_at(url: str) -> Recording:
    """Return the recording at an address."""
    source = _source(SourceKind.MEDIA, url)
    return Recording(derived_id("media", url), source, Metadata())


def _episode(feed_url: str, item: FeedItem) -> Recording:
    try:
        url = urljoin(feed_url, item.media_url)
    except ValueError as error:
        raise IngestError(Code.BAD_URL, f"{shorten(item.media_url, 100)!r}: {error}") from error
    source = _source(SourceKind.MEDIA, url)
    key = f"{urlsplit(feed_url).hostname}|{item.guid}" if item.guid else url
    return Recording(derived_id("feed", key), source, item.metadata)


def _files(path: Path) -> Iterator[Recording]:
    if path.is_file():
        yield _file(path)
        return
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in MEDIA_SUFFIXES and file.is_file())
    if not found:
        raise IngestError(Code.NO_MEDIA_FOUND, f"no media files in {path} ({', '.join(sorted(MEDIA_SUFFIXES))})")
    yield from _each(_file, found)


def _file(path: Path) -> Recording:
    source = _source(SourceKind.FILE, str(path.resolve()))
    try:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        published = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError as error:
        raise IngestError(Code.BAD_URL, f"{path.name} cannot be read: {error.strerror}") from error
    metadata = Metadata(title=clean(path.stem), published_at=published)
    return Recording(derived_id("file", content), source, metadata)


def derived_id(kind: str, key: str) -> str:
    """Return an id of YouTube's shape (11 characters, 66 bits) for a recording that has none."""
    return base64.urlsafe_b64encode(hashlib.sha256(f"{kind}|{key}".encode()).digest())[:11].decode()


def _listing_limits(settings: DownloaderSettings) -> ChildLimits:
    hosts = listed(settings.allowed_hosts)
    return ChildLimits(LISTING_DEADLINE_S, memory_bytes=0, network=True, hosts=hosts)
