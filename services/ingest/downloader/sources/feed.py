"""Podcast and RSS feeds, downloaded and parsed in a child process. Only this file parses feeds.

The episodes of a feed are media files at web addresses, so `media` checks and fetches them.
"""

from __future__ import annotations

import hashlib
import math
from calendar import timegm
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urldefrag, urljoin, urlsplit

import feedparser
import requests

from ingest.downloader.sources import feed_items, media, web
from ingest.downloader.sources.announced import Announcement, announced
from ingest.downloader.sources.connector import (
    Recording,
    derived_id,
    each_valid,
    listing_limits,
    source_of,
    web_address,
)
from ingest.downloader.sources.feed_limits import MOST_ITEMS, bounded
from ingest.downloader.sources.feed_text import as_utf8, breaks_off, looks_like_feed, may_become_feed
from ingest.downloader.sources.listing import LeftOut, Listing
from ingest.shared.bounds import LONGEST_ADDRESS
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import SourceKind
from ingest.shared.sandbox import child, network
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator
    from time import struct_time

    from ingest.downloader.settings import DownloaderSettings
    from ingest.shared.sandbox.child import Reporter

LARGEST_FEED_BYTES = 64 << 20
BLOCK_BYTES = 1 << 16
MOST_PAGES = 100
NO_MEDIA = "item of a feed without audio or video"
TWICE = "item that the feed has twice"
FURTHER = "further file of an item of a feed (its first audio or video is taken)"
BREAKS_OFF = "the rest of a feed that breaks off before its end"


@dataclass(frozen=True)
class FeedItem:
    """An episode: its identifier (may be empty), the absolute address of its audio, and what the feed announces."""

    guid: str
    media_url: str
    announced: Announcement


@dataclass(frozen=True)
class FeedListing:
    """The episodes of all pages of a feed, and what was left out, by reason."""

    items: list[FeedItem]
    left_out: dict[str, LeftOut] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """The data of a page, and its address after redirects."""

    address: str
    data: bytes


def recognises(text: str) -> bool:
    """Return whether a text is a web address: only a request shows whether it is that of a feed."""
    return web_address(text) is not None


def list_recordings(text: str, settings: DownloaderSettings, listing: Listing) -> Iterator[Recording]:
    """Yield the episodes of a feed; for another address, the one recording there."""
    url = urldefrag(text).url
    args = (url, settings.socket_timeout_s, settings.user_agent)
    found = child.run(read_feed, args, listing_limits(settings))
    if found is None:
        yield media.recording_at(url)
        return
    listing.merge(found.left_out)
    yield from episodes(url, found, listing)


def episodes(feed_url: str, found: FeedListing, listing: Listing) -> Iterator[Recording]:
    """Yield the recordings of a feed; an item that is none, or is there twice, is left out."""
    repeated = feed_items.repeated((item.guid, item.media_url) for item in found.items if item.guid)
    items: dict[tuple[str, str], FeedItem] = {}
    for item in found.items:
        if items.setdefault((item.guid, item.media_url), item) is not item:
            listing.leave_out(TWICE, item.announced.metadata.title or item.media_url)
    yield from each_valid(
        partial(_episode, feed_url, repeated),
        items.values(),
        lambda item, error: listing.leave_out(f"{error.code}: an invalid address", item.media_url),
    )


def _episode(feed_url: str, repeated: frozenset[str], item: FeedItem) -> Recording:
    try:
        url = feed_items.with_login(item.media_url, feed_url)
    except ValueError as error:
        raise IngestError(Code.BAD_URL, f"{shorten(item.media_url, 100)!r}: {error}") from error
    source = source_of(SourceKind.MEDIA, url)
    found = item.announced
    if not item.guid:
        return Recording(derived_id("feed", item.media_url), source, found.metadata, found.cut)
    feed = urlsplit(feed_url)
    guid, earlier_id = item.guid, None
    if guid in repeated:
        guid, earlier_id = f"{guid}|{item.media_url}", derived_id("feed", f"{feed.hostname}|{guid}")
    video_id = derived_id("feed", f"{feed.hostname}|{guid}")
    other_id = derived_id("feed", f"{feed.hostname}{feed.path}?{feed.query}|{guid}")
    return Recording(video_id, source, found.metadata, found.cut, other_id, earlier_id)


def read_feed(_report: Reporter, url: str, timeout_s: float, user_agent: str) -> FeedListing | None:
    """Return the episodes of the feed at `url`, in its order, or None when the address is not that of a feed."""
    reader = _Reader(timeout_s, user_agent)
    page = reader.download(url)
    if page is None:
        return None
    while page is not None:
        following = reader.read(page)
        page = None if following is None else reader.next(following)
    return reader.listing()


def parsed(page: Page) -> FeedListing:
    """Return the episodes on one page of a feed."""
    reader = _Reader(0.0, "")
    reader.read(page)
    return reader.listing()


def _leave_authors(*_: object) -> None:
    """Leave the author of a feed or an entry as it is: nothing reads it."""


def _parse(data: bytes) -> Any:  # noqa: ANN401 (a foreign shape)
    """Return what feedparser finds; it raises these errors for data that it does not foresee, such as odd encodings."""
    # It looks for an address of mail in each author: in one of 100 kB for a minute.
    feedparser.mixin._FeedParserMixin._sync_author_detail = _leave_authors  # noqa: SLF001 (it has no option)
    try:
        return feedparser.parse(data, sanitize_html=False, resolve_relative_uris=False)  # of descriptions: slow
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError) as error:
        raise IngestError(Code.NO_MEDIA_FOUND, f"the feed cannot be read: {shorten(str(error), 200)}") from error


@dataclass
class _Reader:
    """Reads the pages of a feed, one after the other."""

    timeout_s: float
    user_agent: str
    items: list[FeedItem] = field(default_factory=list)
    account: Listing = field(default_factory=Listing)
    addresses: set[str] = field(default_factory=set)
    left_bytes: int = LARGEST_FEED_BYTES
    moved_to: str = ""

    def read(self, page: Page) -> str | None:
        """Add the episodes of a page; return the address of the next page, or None when this one has nothing new."""
        most = MOST_ITEMS - len(self.items)
        found = bounded(page.data, most)
        feed = _parse(found.data)
        self.moved_to = str(feed.feed.get("itunes_new-feed-url", ""))
        if breaks_off(page.data):
            self.account.leave_out(BREAKS_OFF, page.address)
        left_out = found.left_out + len(feed.entries[most:])
        if left_out:
            self.account.leave_out(f"after the first {MOST_ITEMS} items of a feed", count=left_out)
        known = {(item.guid, item.media_url) for item in self.items}
        new = [
            item for entry in feed.entries[:most] if (item := self._item(entry, feed.feed, page.address)) is not None
        ]
        self.items += new
        has_news = any((item.guid, item.media_url) not in known for item in new)
        return feed_items.next_page(feed.feed, page.address) if has_news and not left_out else None

    def _item(self, entry: Any, feed: Any, base: str) -> FeedItem | None:  # noqa: ANN401 (a foreign or generic shape)
        """Return the episode of an entry; count an entry without one."""
        addresses = feed_items.media_addresses(entry)
        if not addresses:
            self.account.leave_out(NO_MEDIA, str(entry.get("title", "")))
            return None
        for further in addresses[1:]:
            self.account.leave_out(FURTHER, further)
        return _item(entry, feed, _absolute(base, addresses[0]))

    def next(self, address: str) -> Page | None:
        """Return the next page of the feed; note one that is not read."""
        if address in self.addresses:
            return None
        if len(self.addresses) >= MOST_PAGES:
            self.account.leave_out(f"the rest of a feed with more than {MOST_PAGES} pages", address)
            return None
        try:
            page = self.download(address)
        except IngestError as error:
            self.account.leave_out(f"a page of the feed that cannot be read ({error.code})", address)
            return None
        if page is None:
            self.account.leave_out("a page that is no feed", address)
        return page

    def download(self, address: str) -> Page | None:
        """Return the page at an address, or None when it is not that of a feed."""
        self.addresses.add(address)
        page = _download(address, self.timeout_s, self.user_agent, self.left_bytes)
        self.left_bytes -= len(page.data) if page is not None else 0
        return page

    def listing(self) -> FeedListing:
        """Return what was read; raise NO_MEDIA_FOUND when nothing was."""
        if not self.items:
            without = sum(one.count for reason, one in self.account.left_out.items() if reason == NO_MEDIA)
            moved = f"; it has moved: submit {shorten(self.moved_to, 300)}" if self.moved_to else ""
            text = f"the feed has no episodes with audio or video ({without} items without){moved}"
            raise IngestError(Code.NO_MEDIA_FOUND, text)
        return FeedListing(self.items, self.account.left_out)


def _absolute(base: str, address: str) -> str:
    """Return the absolute address, as far as a message can hold it; an invalid one is refused with its recording."""
    try:
        return urljoin(base, address)[: LONGEST_ADDRESS + 1]
    except ValueError:
        return address[: LONGEST_ADDRESS + 1]


def _download(url: str, timeout_s: float, user_agent: str, largest: int) -> Page | None:
    """Return the page at an address; None as soon as the first bytes do not look like a feed."""
    try:
        with web.Session(user_agent) as session, session.get(url, timeout=timeout_s, stream=True) as response:
            if response.status_code != requests.codes.ok:
                raise IngestError(Code.SOURCE_UNAVAILABLE, f"HTTP {response.status_code} at {url}")
            address, data = str(response.url), bytearray()
            for block in response.iter_content(BLOCK_BYTES):
                data += block
                if not may_become_feed(data):
                    return None
                if len(data) > largest:
                    raise IngestError(Code.TOO_LARGE, f"the feed is larger than {LARGEST_FEED_BYTES >> 20} MiB")
    except requests.exceptions.InvalidSchema as error:  # a redirect to a file
        raise IngestError(Code.URL_NOT_ALLOWED, shorten(f"{url}: {error}")) from error
    except ValueError as error:  # requests and urllib3 raise it for an impossible host or port
        raise IngestError(Code.BAD_URL, shorten(f"{url}: {error}")) from error
    except requests.RequestException as error:
        if network.refused():
            private = network.refused()[0]
            text = f"leads to the private address {private}; host not on allow-list (INGEST_ALLOWED_HOSTS)"
            raise IngestError(Code.URL_NOT_ALLOWED, text) from error
        raise IngestError(Code.NETWORK_ERROR, shorten(f"{url}: {error}")) from error
    return Page(address, as_utf8(bytes(data))) if looks_like_feed(data) else None


def _item(entry: Any, feed: Any, media_url: str) -> FeedItem:  # noqa: ANN401 (a foreign or generic shape)
    found = announced(
        title=entry.get("title"),
        channel=feed.get("title"),
        published_at=_moment(
            entry.get("published_parsed") or dict.get(entry, "updated_parsed")
        ),  # Atom may have this one
        has_date=bool(entry.get("published")),
        duration_s=duration_s(str(entry.get("itunes_duration", ""))),
        language=feed.get("language"),
    )
    return FeedItem(_guid(entry), media_url, found)


def _guid(entry: Any) -> str:  # noqa: ANN401 (a foreign or generic shape)
    """Return the identifier of an entry; the hash of one that is longer than any address."""
    guid = str(entry.get("id", ""))
    return guid if len(guid) <= LONGEST_ADDRESS else hashlib.sha256(guid.encode(errors="surrogatepass")).hexdigest()


def _moment(published: struct_time | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(timegm(published), UTC) if published else None
    except (ValueError, OverflowError):  # `0000-00-00`: there is no year 0
        return None


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
