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
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urldefrag, urljoin, urlsplit

from services.downloader import ytdlp
from services.downloader.feeds import FeedItem, read_feed
from services.downloader.settings import listed
from services.downloader.ytdlp import Entry, SiteOptions
from services.shared import child
from services.shared.child import ChildLimits
from services.shared.errors import Code, IngestError
from services.shared.messages import VIDEO_ID_PATTERN, Metadata, Source, SourceKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.downloader.settings import DownloaderSettings

YOUTUBE_HOSTS = {"youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com", "youtu.be"}
MEDIA_SUFFIXES = frozenset(
    {".aac", ".flac", ".m4a", ".mka", ".mkv", ".mov", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".wav", ".webm"}
)
LISTING_DEADLINE_S = 300.0
PAGE = 200
CHANNEL_ID = re.compile(r"^UC[A-Za-z0-9_-]{22}$")


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


def recordings(text: str, settings: DownloaderSettings) -> Iterator[Recording]:
    """Yield the recordings of a source, a channel page by page; raise IngestError for what is no source."""
    path = Path(text).expanduser()
    if path.exists():
        yield from _files(path)
        return
    if re.fullmatch(VIDEO_ID_PATTERN, text):
        yield youtube_video(text)
        return
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise IngestError(Code.BAD_URL, f"{text!r} is no address, no YouTube id, and there is no such file")
    if parts.hostname in YOUTUBE_HOSTS:
        yield from _youtube(text, settings)
    else:
        yield from _address(text, settings)


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


def _youtube(url: str, settings: DownloaderSettings) -> Iterator[Recording]:
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
        listing_url = uploads_playlist(child.run(ytdlp.channel_id, (url, options), limits))
    first = 1
    while True:
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
    for item in items:
        yield _episode(item, url)


def media_at(url: str) -> Recording:
    """Return the recording at an address."""
    return Recording(derived_id("media", url), Source(kind=SourceKind.MEDIA, url=url), Metadata())


def _episode(item: FeedItem, feed_url: str) -> Recording:
    url = urljoin(feed_url, item.media_url)
    key = f"{urlsplit(feed_url).hostname}|{item.guid}" if item.guid else url
    return Recording(derived_id("feed", key), Source(kind=SourceKind.MEDIA, url=url), item.metadata)


def _files(path: Path) -> Iterator[Recording]:
    if path.is_file():
        yield _file(path)
        return
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in MEDIA_SUFFIXES and file.is_file())
    if not found:
        raise IngestError(Code.NO_MEDIA_FOUND, f"no media files in {path} ({', '.join(sorted(MEDIA_SUFFIXES))})")
    for file in found:
        yield _file(file)


def _file(path: Path) -> Recording:
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    published = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    metadata = Metadata(title=path.stem, published_at=published)
    return Recording(derived_id("file", content), Source(kind=SourceKind.FILE, url=str(path.resolve())), metadata)


def derived_id(kind: str, key: str) -> str:
    """Return an id of YouTube's shape (11 characters, 66 bits) for a recording that has none."""
    return base64.urlsafe_b64encode(hashlib.sha256(f"{kind}|{key}".encode()).digest())[:11].decode()


def _listing_limits(settings: DownloaderSettings) -> ChildLimits:
    hosts = listed(settings.allowed_hosts)
    return ChildLimits(LISTING_DEADLINE_S, memory_bytes=0, network=True, hosts=hosts)
