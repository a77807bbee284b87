"""Podcast and RSS feeds, downloaded and parsed in a child process. Only this file parses feeds.

The episodes of a feed are media files at web addresses, so `media` checks and fetches them.
"""

from __future__ import annotations

import hashlib
import math
from calendar import timegm
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urldefrag, urljoin, urlsplit

import feedparser
import requests

from ingest.downloader.sources import media, web
from ingest.downloader.sources.announced import Announced, announced
from ingest.downloader.sources.connector import (
    Recording,
    derived_id,
    each_valid,
    listing_limits,
    source_of,
    web_address,
)
from ingest.downloader.sources.feed_limits import MOST_ITEMS, bounded
from ingest.shared.bounds import LONGEST_ADDRESS
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import SourceKind
from ingest.shared.sandbox import child, network
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from time import struct_time

    from ingest.downloader.settings import DownloaderSettings
    from ingest.shared.sandbox.child import Reporter

LARGEST_FEED_BYTES = 64 << 20
BLOCK_BYTES = 1 << 16
SNIFF_BYTES = 2048
log = get_logger(__name__)


@dataclass(frozen=True)
class FeedItem:
    """An episode: its stable identifier (may be empty), the address of its audio, and what the feed announces."""

    guid: str
    media_url: str
    announced: Announced


@dataclass(frozen=True)
class FeedListing:
    """The episodes of a feed, and how many items at its end were left out because there are too many."""

    items: list[FeedItem]
    left_out: int


def recognises(text: str) -> bool:
    """Return whether a text is a web address: only a request shows whether it is that of a feed."""
    return web_address(text) is not None


def list_recordings(
    text: str, settings: DownloaderSettings, _before_listing: Callable[[], object]
) -> Iterator[Recording]:
    """Yield the episodes of a feed; for another address, the one recording there."""
    url = urldefrag(text).url
    args = (url, settings.socket_timeout_s, settings.user_agent)
    listing = child.run(read_feed, args, listing_limits(settings))
    if listing is None:
        yield media.recording_at(url)
        return
    if listing.left_out:
        log.warning("items_left_out", items=listing.left_out, reason=f"a feed has at most {MOST_ITEMS} items")
    yield from episodes(url, listing)


def episodes(feed_url: str, listing: FeedListing) -> Iterator[Recording]:
    """Yield the recordings of a feed; an item that is none is left out and logged."""
    yield from each_valid(partial(_episode, feed_url), listing.items)


def _episode(feed_url: str, item: FeedItem) -> Recording:
    try:
        url = urljoin(feed_url, item.media_url)
    except ValueError as error:
        raise IngestError(Code.BAD_URL, f"{shorten(item.media_url, 100)!r}: {error}") from error
    source = source_of(SourceKind.MEDIA, url)
    found = item.announced
    if not item.guid:
        return Recording(derived_id("feed", url), source, found.metadata, found.cut)
    video_id = derived_id("feed", f"{urlsplit(feed_url).hostname}|{item.guid}")
    other_id = derived_id("feed", f"{feed_url.partition('://')[2]}|{item.guid}")
    return Recording(video_id, source, found.metadata, found.cut, other_id)


def read_feed(_report: Reporter, url: str, timeout_s: float, user_agent: str) -> FeedListing | None:
    """Return the episodes of the feed at `url`, in its order, or None when the address is not that of a feed."""
    data = _download(url, timeout_s, user_agent)
    return None if data is None else parsed(data)


def parsed(data: bytes) -> FeedListing:
    """Return the episodes in the data of a feed."""
    found = bounded(data)
    feed = feedparser.parse(found.data, sanitize_html=False, resolve_relative_uris=False)  # of descriptions: slow
    items = [item for entry in feed.entries[:MOST_ITEMS] if (item := _item(entry, feed.feed)) is not None]
    if not items:
        raise IngestError(Code.NO_MEDIA_FOUND, "the feed has no episodes with audio")
    return FeedListing(items, found.left_out + len(feed.entries[MOST_ITEMS:]))


def _download(url: str, timeout_s: float, user_agent: str) -> bytes | None:
    """Return the feed at an address; None as soon as the first bytes do not look like a feed."""
    try:
        with web.Session(user_agent) as session, session.get(url, timeout=timeout_s, stream=True) as response:
            if response.status_code != requests.codes.ok:
                raise IngestError(Code.SOURCE_UNAVAILABLE, f"HTTP {response.status_code} at {url}")
            data = bytearray()
            for block in response.iter_content(BLOCK_BYTES):
                data += block
                if len(data) >= SNIFF_BYTES and not _looks_like_feed(data):
                    return None
                if len(data) > LARGEST_FEED_BYTES:
                    raise IngestError(Code.TOO_LARGE, f"the feed is larger than {LARGEST_FEED_BYTES >> 20} MiB")
    except requests.exceptions.InvalidSchema as error:  # a redirect to a file
        raise IngestError(Code.URL_NOT_ALLOWED, shorten(f"{url}: {error}")) from error
    except ValueError as error:  # requests and urllib3 raise it for an impossible host or port
        raise IngestError(Code.BAD_URL, shorten(f"{url}: {error}")) from error
    except requests.RequestException as error:
        if network.refused():
            address = network.refused()[0]
            text = f"leads to the private address {address}; host not on allow-list (INGEST_ALLOWED_HOSTS)"
            raise IngestError(Code.URL_NOT_ALLOWED, text) from error
        raise IngestError(Code.NETWORK_ERROR, shorten(f"{url}: {error}")) from error
    return bytes(data) if _looks_like_feed(data) else None


def _looks_like_feed(data: bytearray) -> bool:
    head = data[:SNIFF_BYTES].lower()
    return b"<rss" in head or b"<feed" in head or b"<rdf" in head


def _item(entry: Any, feed: Any) -> FeedItem | None:  # noqa: ANN401 (a foreign or generic shape)
    enclosure = next((link for link in entry.get("enclosures", ()) if _is_media(link)), None)
    if enclosure is None or not enclosure.get("href"):
        return None
    found = announced(
        title=entry.get("title"),
        channel=feed.get("title"),
        published_at=_moment(entry.get("published_parsed")),
        has_date=bool(entry.get("published")),
        duration_s=duration_s(str(entry.get("itunes_duration", ""))),
    )
    return FeedItem(_guid(entry), str(enclosure["href"])[: LONGEST_ADDRESS + 1], found)


def _guid(entry: Any) -> str:  # noqa: ANN401 (a foreign or generic shape)
    """Return the identifier of an entry; the hash of one that is longer than any address."""
    guid = str(entry.get("id", ""))
    return guid if len(guid) <= LONGEST_ADDRESS else hashlib.sha256(guid.encode(errors="surrogatepass")).hexdigest()


def _moment(published: struct_time | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(timegm(published), UTC) if published else None
    except (ValueError, OverflowError):  # `0000-00-00`: there is no year 0
        return None


def _is_media(link: Any) -> bool:  # noqa: ANN401 (a foreign or generic shape)
    return str(link.get("type", "audio/")).startswith(("audio/", "video/", "application/octet-stream"))


def duration_s(text: str) -> float | None:
    """Return the seconds of `3723`, `62:03` or `1:02:03`; None for anything else."""
    parts = text.strip().split(":")
    try:
        numbers = [float(part) for part in parts[:4]]
    except ValueError:
        return None
    if len(numbers) > len(("hours", "minutes", "seconds")) or not all(number >= 0 for number in numbers):
        return None
    total = 0.0
    for number in numbers:
        total = total * 60 + number
    return total if 0 < total < math.inf else None


CONNECTOR = replace(media.CONNECTOR, recognises=recognises, list=list_recordings)
