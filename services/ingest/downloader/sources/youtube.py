"""YouTube videos, channels and playlists, read with yt-dlp's own extractors and a JavaScript engine."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

from ingest.downloader import javascript
from ingest.downloader.exits import YOUTUBE, exits
from ingest.downloader.sources.announced import Announcement
from ingest.downloader.sources.connector import (
    Access,
    Connector,
    Download,
    Recording,
    captions_in,
    in_folder,
    listing_limits,
    reads_of,
    site_options,
    web_address,
)
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import VIDEO_ID_PATTERN, Source, SourceKind
from ingest.shared.sandbox import child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.downloader.captions.found import CaptionFile
    from ingest.downloader.settings import DownloaderSettings
    from ingest.downloader.sources.listing import Listing
    from ingest.downloader.sources.ytdlp import ListingEntry, Sample
    from ingest.shared.sandbox.child import ChildLimits, Watcher

HOSTS = {
    "youtube.com",
    "www.youtube.com",
    "m.youtube.com",
    "music.youtube.com",
    "youtu.be",
    "youtube-nocookie.com",
    "www.youtube-nocookie.com",
}
NO_VIDEO = "entry of a channel or playlist that is no video"
PAGE = 200
TABS = {"featured", "videos", "shorts", "streams", "live", "podcasts", "playlists", "community", "about"}
T = TypeVar("T")
LAST_LETTERS = "AEIMQUYcgkosw048"
ENGINE_MEMORY_BYTES = 2 << 30
CHANNEL_ID = re.compile(r"^UC[A-Za-z0-9_-]{22}$")


def recognises(text: str) -> bool:
    """Return whether a text is a video id or an address at YouTube."""
    address = web_address(text)
    return is_video_id(text) or (address is not None and address.hostname in HOSTS)


def is_video_id(text: str) -> bool:
    """Return whether a text without an address can be a video id, and not a misspelt name of a file.

    An id has 64 bits in 11 letters, so that its last letter is one of 16. Of a million ids, 50 have small letters only;
    these can be named by their address.
    """
    if re.fullmatch(VIDEO_ID_PATTERN, text) is None or re.fullmatch("[a-z_-]+|[A-Z_-]+", text):
        return False
    return text[-1] in LAST_LETTERS


def list_recordings(text: str, settings: DownloaderSettings, listing: Listing) -> Iterator[Recording]:
    """Yield one video, or the videos of a channel or playlist page by page."""
    video_id = text if is_video_id(text) else video_id_of(text)
    if video_id is not None:
        yield video(video_id)
        return
    from ingest.downloader.sources import ytdlp  # its imports take long: only for the first recording of a site

    def ask(work: Callable[..., T], address: str, *rest: object) -> T:
        way = listing.before_request() or exits(settings)[0]
        options = replace(site_options(settings), pot_provider=None)  # a listing needs no token
        access = Access(options, listing_limits(settings)).through(way)
        limits = replace(access.limits, reads=reads_of(access.options))
        return child.run(work, (address, access.options, *rest), limits)

    named = _playlist_of(text)
    playlist = named or uploads_playlist(ask(ytdlp.channel_id, channel_of(text)))
    first = 1
    while True:
        try:
            entries: list[ListingEntry] = ask(ytdlp.list_entries, playlist, first, first + PAGE - 1)
        except IngestError as error:
            if named is None and error.code is Code.VIDEO_GONE:  # the channel is there, and has no uploads
                return
            raise
        for entry in entries:
            if re.fullmatch(VIDEO_ID_PATTERN, entry.video_id):
                yield video(entry.video_id, entry.announced)
            else:
                listing.leave_out(NO_VIDEO, entry.announced.metadata.title or entry.url)
        if len(entries) < PAGE:
            return
        first += PAGE


def check(source: Source, access: Access) -> Announcement:
    """Return what YouTube says about a video that can be downloaded; raise its refusal otherwise."""
    from ingest.downloader.sources import ytdlp  # its imports take long: only for the first recording of a site

    return child.run(ytdlp.inspect, (source.url, access.options), engine_limits(access))


def sample(source: Source, access: Access) -> Sample:
    """Return how many formats YouTube offers of a video, and at which rate; raise its refusal otherwise."""
    from ingest.downloader.sources import ytdlp  # its imports take long: only for the first recording of a site

    return child.run(ytdlp.sample, (source.url, access.options), engine_limits(access))


def fetch(source: Source, folder: Path, access: Access, watch: Watcher | None) -> Download:
    """Download the audio of a video."""
    from ingest.downloader.sources import ytdlp  # its imports take long: only for the first recording of a site

    limits = replace(engine_limits(access), writes=(str(folder),))
    found = child.run(ytdlp.fetch, (source.url, str(folder), access.options), limits, watch)
    return replace(in_folder(folder, found), captions=captions_in(folder, found.captions))


def captions(source: Source, folder: Path, access: Access) -> CaptionFile | None:
    """Return the captions of a video, in the language of the request, else in its own."""
    from ingest.downloader.sources import ytdlp  # its imports take long: only for the first recording of a site

    limits = replace(engine_limits(access), writes=(str(folder),))
    return captions_in(folder, child.run(ytdlp.fetch_captions, (source.url, str(folder), access.options), limits))


def engine_limits(access: Access) -> ChildLimits:
    """Return limits that let yt-dlp read the user's cookies and start the JavaScript engine for YouTube's scripts."""
    engine = javascript.path()
    reads = reads_of(access.options)
    provider = access.options.pot_provider
    endpoints = (*access.limits.endpoints, *((urlsplit(provider).netloc,) if provider else ()))
    return replace(
        access.limits,
        memory_bytes=ENGINE_MEMORY_BYTES,
        programs=(engine,) if engine else (),
        reads=reads,
        endpoints=endpoints,
    )


def video(video_id: str, announced: Announcement = Announcement()) -> Recording:  # noqa: B008 (frozen)
    """Return a video by its id."""
    source = Source(kind=SourceKind.YOUTUBE, url=f"https://www.youtube.com/watch?v={video_id}")
    return Recording(video_id, source, announced.metadata, announced.cut)


def video_id_of(url: str) -> str | None:
    """Return the video id in a YouTube address, or None when the address is not that of a video."""
    parts = urlsplit(url)
    segments = _segments(url)
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
        raise IngestError(Code.BAD_URL, f"{channel_id!r} is not a YouTube channel id")
    return f"https://www.youtube.com/playlist?list=UU{channel_id[2:]}"


def channel_of(url: str) -> str:
    """Return the address of a channel without that of its tab, which a channel may lack; any other as it is."""
    segments = _segments(url)
    if len(segments) > 1 and segments[-1] in TABS:
        return urlsplit(url)._replace(path="/" + "/".join(segments[:-1]), query="", fragment="").geturl()
    return url


def _playlist_of(url: str) -> str | None:
    """Return the playlist of an address that names a playlist or a channel's id; None for a handle or name.

    The address may be that of YouTube's own feed, as in an export of subscriptions.
    """
    segments = _segments(url)
    if segments == ["feeds", "videos.xml"]:
        named = parse_qs(urlsplit(url).query)
        if "channel_id" in named:
            return uploads_playlist(named["channel_id"][0])
        if "playlist_id" in named:
            return f"https://www.youtube.com/playlist?{urlencode({'list': named['playlist_id'][0]})}"
    if segments[:1] == ["playlist"]:
        return url
    if segments[:1] == ["channel"] and len(segments) > 1:
        return uploads_playlist(segments[1])
    return None


def _segments(url: str) -> list[str]:
    return [segment for segment in urlsplit(url).path.split("/") if segment]


CONNECTOR = Connector(
    recognises=recognises,
    list=list_recordings,
    kind=SourceKind.YOUTUBE,
    site=lambda _url: YOUTUBE,
    check=check,
    fetch=fetch,
    captions=captions,
    is_authoritative=True,
)
