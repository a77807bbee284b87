"""Podcast and RSS feeds, downloaded and parsed in a child process. Only this file parses feeds.

The episodes of a feed are media files at web addresses, so `media` checks and fetches them.
"""

from __future__ import annotations

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
from ingest.downloader.sources.connector import (
    Recording,
    derived_id,
    each_valid,
    listing_limits,
    source_of,
    web_address,
)
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Metadata, SourceKind
from ingest.shared.sandbox import child, network
from ingest.shared.text import clean, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from time import struct_time

    from ingest.downloader.settings import DownloaderSettings
    from ingest.shared.sandbox.child import Reporter

LARGEST_FEED_BYTES = 64 << 20
BLOCK_BYTES = 1 << 16
SNIFF_BYTES = 2048


@dataclass(frozen=True)
class FeedItem:
    """An episode: its stable identifier (may be empty), the address of its audio, its metadata in the feed."""

    guid: str
    media_url: str
    metadata: Metadata


def recognises(text: str) -> bool:
    """Return whether a text is a web address: only a request shows whether it is that of a feed."""
    return web_address(text) is not None


def list_recordings(
    text: str, settings: DownloaderSettings, _before_listing: Callable[[], object]
) -> Iterator[Recording]:
    """Yield the episodes of a feed; for another address, the one recording there."""
    url = urldefrag(text).url
    items = child.run(read_feed, (url, settings.socket_timeout_s, settings.user_agent), listing_limits(settings))
    if items is None:
        yield media.recording_at(url)
        return
    yield from each_valid(partial(_episode, url), items)


def _episode(feed_url: str, item: FeedItem) -> Recording:
    try:
        url = urljoin(feed_url, item.media_url)
    except ValueError as error:
        raise IngestError(Code.BAD_URL, f"{shorten(item.media_url, 100)!r}: {error}") from error
    source = source_of(SourceKind.MEDIA, url)
    key = f"{urlsplit(feed_url).hostname}|{item.guid}" if item.guid else url
    return Recording(derived_id("feed", key), source, item.metadata)


def read_feed(_report: Reporter, url: str, timeout_s: float, user_agent: str) -> list[FeedItem] | None:
    """Return the episodes of the feed at `url`, in its order, or None when the address is not that of a feed."""
    data = _download(url, timeout_s, user_agent)
    if data is None:
        return None
    feed = feedparser.parse(data)
    items = [item for entry in feed.entries if (item := _item(entry, feed.feed)) is not None]
    if not items:
        raise IngestError(Code.NO_MEDIA_FOUND, "the feed has no episodes with audio")
    return items


def _download(url: str, timeout_s: float, user_agent: str) -> bytes | None:
    """Return the feed at an address; None as soon as the first bytes do not look like a feed."""
    try:
        with web.Session(user_agent) as session, session.get(url, timeout=timeout_s, stream=True) as response:
            if response.status_code != requests.codes.ok:
                raise IngestError(Code.SOURCE_UNAVAILABLE, f"HTTP {response.status_code} at {url}")
            data = b""
            for block in response.iter_content(BLOCK_BYTES):
                data += block
                if len(data) >= SNIFF_BYTES and not _looks_like_feed(data):
                    return None
                if len(data) > LARGEST_FEED_BYTES:
                    raise IngestError(Code.TOO_LARGE, f"the feed is larger than {LARGEST_FEED_BYTES >> 20} MiB")
    except requests.exceptions.InvalidSchema as error:  # a redirect to a file
        raise IngestError(Code.URL_NOT_ALLOWED, f"{url}: {error}") from error
    except ValueError as error:  # requests and urllib3 raise it for an impossible host or port
        raise IngestError(Code.BAD_URL, f"{url}: {error}") from error
    except requests.RequestException as error:
        if network.refused():
            address = network.refused()[0]
            text = f"leads to the private address {address}; host not on allow-list (INGEST_ALLOWED_HOSTS)"
            raise IngestError(Code.URL_NOT_ALLOWED, text) from error
        raise IngestError(Code.NETWORK_ERROR, f"{url}: {error}") from error
    return data if _looks_like_feed(data) else None


def _looks_like_feed(data: bytes) -> bool:
    head = data[:SNIFF_BYTES].lower()
    return b"<rss" in head or b"<feed" in head or b"<rdf" in head


def _item(entry: Any, feed: Any) -> FeedItem | None:  # noqa: ANN401 (a foreign or generic shape)
    enclosure = next((link for link in entry.get("enclosures", ()) if _is_media(link)), None)
    if enclosure is None or not enclosure.get("href"):
        return None
    metadata = Metadata(
        title=clean(str(entry.get("title", ""))) or None,
        channel=clean(str(feed.get("title", ""))) or None,
        published_at=_moment(entry.get("published_parsed")),
        duration_s=duration_s(str(entry.get("itunes_duration", ""))),
    )
    return FeedItem(str(entry.get("id", "")), str(enclosure["href"]), metadata)


def _moment(published: struct_time | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(timegm(published), UTC) if published else None
    except ValueError:  # `0000-00-00`: there is no year 0
        return None


def _is_media(link: Any) -> bool:  # noqa: ANN401 (a foreign or generic shape)
    return str(link.get("type", "audio/")).startswith(("audio/", "video/", "application/octet-stream"))


def duration_s(text: str) -> float | None:
    """Return the seconds of `3723`, `62:03` or `1:02:03`; None for anything else."""
    parts = text.strip().split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        return None
    if len(numbers) > len(("hours", "minutes", "seconds")) or not all(number >= 0 for number in numbers):
        return None
    total = 0.0
    for number in numbers:
        total = total * 60 + number
    return total if 0 < total < math.inf else None


CONNECTOR = replace(media.CONNECTOR, recognises=recognises, list=list_recordings)
