"""Podcast and RSS feeds: fetched and read in a child process, like everything foreign. Only this file parses feeds."""

from __future__ import annotations

import math
from calendar import timegm
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import feedparser
import requests

from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Metadata
from ingest.shared.sandbox import network
from ingest.shared.text import clean

if TYPE_CHECKING:
    from time import struct_time

    from ingest.shared.sandbox.child import Reporter

LARGEST_FEED_BYTES = 64 << 20
BLOCK_BYTES = 1 << 16
SNIFF_BYTES = 2048


@dataclass(frozen=True)
class FeedItem:
    """An episode: its stable identifier (may be empty), where its audio is, what the feed says about it."""

    guid: str
    media_url: str
    metadata: Metadata


def read_feed(_report: Reporter, url: str, timeout_s: float) -> list[FeedItem] | None:
    """Return the episodes of the feed at `url`, in its order; None when there is something else at that address."""
    data = _download(url, timeout_s)
    if data is None:
        return None
    feed = feedparser.parse(data)
    items = [item for entry in feed.entries if (item := _item(entry, feed.feed)) is not None]
    if not items:
        raise IngestError(Code.NO_MEDIA_FOUND, "the feed has no episodes with audio")
    return items


def _download(url: str, timeout_s: float) -> bytes | None:
    """Return the feed at an address, or None when it does not look like one (and is not read to its end)."""
    try:
        with requests.get(url, timeout=timeout_s, stream=True) as response:
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
    except ValueError as error:  # as requests and urllib3 call an address without a possible host
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
    media = next((link for link in entry.get("enclosures", ()) if _is_media(link)), None)
    if media is None or not media.get("href"):
        return None
    metadata = Metadata(
        title=clean(str(entry.get("title", ""))) or None,
        channel=clean(str(feed.get("title", ""))) or None,
        published_at=_moment(entry.get("published_parsed")),
        duration_s=duration_s(str(entry.get("itunes_duration", ""))),
    )
    return FeedItem(str(entry.get("id", "")), str(media["href"]), metadata)


def _moment(published: struct_time | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(timegm(published), UTC) if published else None
    except ValueError:  # `0000-00-00` is a year before all years
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
