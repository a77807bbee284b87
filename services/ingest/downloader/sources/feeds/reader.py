"""Reads the pages of a feed, in a child process. Only this file parses RSS and Atom, with feedparser.

download ─► a feed or a JSON feed  ─► its pages ─► FeedListing
            a page                 ─► the feed that it names
            a list (OPML, m3u)     ─► SourceList
            anything else          ─► None
"""

from __future__ import annotations

import hashlib
import math
import re
from calendar import timegm
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import feedparser

from ingest.downloader.sources import about
from ingest.downloader.sources.announced import announced
from ingest.downloader.sources.feeds import items, json_feed, transfer
from ingest.downloader.sources.feeds.forms import LARGEST_BYTES, Form
from ingest.downloader.sources.feeds.found import FeedItem, FeedListing, SourceList
from ingest.downloader.sources.feeds.limits import MOST_ITEMS, bounded
from ingest.downloader.sources.feeds.links import feeds_of, sent_on_to
from ingest.downloader.sources.feeds.lists import sources_in
from ingest.downloader.sources.feeds.text import breaks_off, escaped
from ingest.downloader.sources.listing import Listing
from ingest.shared.bounds import LONGEST_ADDRESS
from ingest.shared.captions import PublishedTranscript
from ingest.shared.errors import Code, IngestError
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from time import struct_time

    from ingest.downloader.sources.feeds.transfer import Page
    from ingest.shared.sandbox.child import Reporter

MOST_PAGES = 100
UNIX_TIME = re.compile(r"[0-9]{9,10}")
MOST_FEEDS_TRIED = 5
MOST_REFRESHES = 3
NO_MEDIA = "item of a feed without audio or video"
TWICE = "item that the feed has twice"
FURTHER = "further file of an item of a feed (its first audio or video is taken)"
FURTHER_FEED = "further feed of a page (its first with episodes is taken)"
BREAKS_OFF = "the rest of a feed that breaks off before its end"


def read_feed(_report: Reporter, url: str, timeout_s: float, user_agent: str) -> FeedListing | SourceList | None:
    """Return the episodes of the feed at `url`, in its order, or the sources in a list; None for anything else.

    Of a page that names feeds, these are the episodes of the first that has some.
    """
    reader = _Reader(timeout_s, user_agent)
    page = _arrived(reader, reader.download(url))
    if page is None:
        return None
    if page.form in (Form.OPML, Form.PLAYLIST):
        return sources_in(page.data, page.form, base=page.address)
    if page.form is Form.PAGE:
        return _named_feed(page, timeout_s, user_agent)
    is_elsewhere = len(reader.addresses) > 1
    found = reader.whole(page)
    return replace(found, address=page.address) if is_elsewhere else found


def _arrived(reader: _Reader, page: Page | None) -> Page | None:
    """Return the page to which a page sends its readers, else the page itself."""
    while page is not None and page.form is Form.PAGE and len(reader.addresses) <= MOST_REFRESHES:
        target = sent_on_to(page.address, page.data)
        if target is None or target in reader.addresses:
            break
        try:
            page = reader.download(target)
        except IngestError as error:
            if error.code is Code.URL_NOT_ALLOWED:
                raise
            return None  # the site's own page may still be one of a recording
    return page


def _named_feed(page: Page, timeout_s: float, user_agent: str) -> FeedListing | None:
    """Return the first feed with episodes that a page names; None without one."""
    addresses = feeds_of(page.address, page.data)
    for address in addresses[:MOST_FEEDS_TRIED]:
        reader = _Reader(timeout_s, user_agent)
        try:
            first = reader.download(address)
            if first is None or first.form not in (Form.FEED, Form.JSON):
                continue
            found = reader.whole(first)
        except IngestError as error:
            if error.code is Code.URL_NOT_ALLOWED:
                raise
            continue
        account = Listing(left_out=found.left_out)
        for other in addresses:
            if other != address:
                account.leave_out(FURTHER_FEED, other)
        return replace(found, address=address)
    return None


def parsed(page: Page) -> FeedListing:
    """Return the episodes on one page of a feed."""
    reader = _Reader(0.0, "")
    reader.read(page)
    return reader.listing()


def _leave_authors(*_: object) -> None:
    """Leave the author of a feed or an entry as it is: nothing reads it."""


def _add_transcript(parser: Any, attributes: dict[str, str]) -> None:  # noqa: ANN401 (a foreign shape)
    """Keep each transcript that an entry names."""
    parser._get_context().setdefault(items.TRANSCRIPTS, []).append(attributes)  # noqa: SLF001 (it has no public name)


def _parse(data: bytes) -> Any:  # noqa: ANN401 (a foreign shape)
    """Return what feedparser finds; it raises these errors for data that it does not foresee, such as odd encodings."""
    # It looks for an address of mail in each author: in one of 100 kB for a minute.
    parser = feedparser.mixin._FeedParserMixin  # noqa: SLF001 (it has no options for these)
    parser._sync_author_detail = _leave_authors  # noqa: SLF001
    parser._start_podcast_transcript = _add_transcript  # noqa: SLF001 (it would keep the last one alone)
    known = {**parser.namespaces, **items.NAMESPACES}
    parser._matchnamespaces = {uri.lower(): prefix for uri, prefix in known.items()}  # noqa: SLF001
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
    left_bytes: int = LARGEST_BYTES[Form.FEED]
    moved_to: str = ""

    def whole(self, page: Page) -> FeedListing:
        """Return the episodes of all pages of a feed, of which this is the first."""
        following: Page | None = page
        while following is not None:
            address = self.read(following)
            following = None if address is None else self.next(address)
        return self.listing()

    def read(self, page: Page) -> str | None:
        """Add the episodes of a page; return the address of the next page, or None when this one has nothing new."""
        most = MOST_ITEMS - len(self.items)
        known = {(item.guid, item.media_url) for item in self.items}
        new, left_out, following = (self._json if page.form is Form.JSON else self._xml)(page, most)
        if left_out:
            self.account.leave_out(f"after the first {MOST_ITEMS} items of a feed", count=left_out)
        self.items += new
        has_news = any((item.guid, item.media_url) not in known for item in new)
        return following if has_news and not left_out else None

    def _xml(self, page: Page, most: int) -> tuple[list[FeedItem], int, str | None]:
        """Return the first episodes of a page, how many items are left out after them, and the next page."""
        part = bounded(page.data, most)
        feed = _parse(escaped(part.data))
        self.moved_to = str(feed.feed.get("itunes_new-feed-url", ""))
        if breaks_off(page.data):
            self.account.leave_out(BREAKS_OFF, page.address)
        found = [self._item(entry, feed.feed, page.address) for entry in feed.entries[:most]]
        left_out = part.left_out + len(feed.entries[most:])
        return [item for item in found if item is not None], left_out, items.next_page(feed.feed, page.address)

    def _json(self, page: Page, most: int) -> tuple[list[FeedItem], int, str | None]:
        """Return what `_xml` returns, for a page of a JSON feed."""
        found = json_feed.parsed(page.data)
        taken = [
            FeedItem(_bounded_guid(entry.guid), _absolute(page.address, first), entry.announced)
            for entry in found.entries[:most]
            if (first := self._first(entry.addresses, str(entry.announced.metadata.title or ""))) is not None
        ]
        following = _absolute(page.address, found.next_url) if found.next_url else None
        return taken, len(found.entries[most:]), following

    def _item(self, entry: Any, feed: Any, base: str) -> FeedItem | None:  # noqa: ANN401 (a foreign or generic shape)
        """Return the episode of an entry; count an entry without one."""
        first = self._first(items.media_addresses(entry), str(items.title(entry) or ""))
        return None if first is None else _item(entry, feed, _absolute(base, items.base(entry, feed)), first)

    def _first(self, addresses: list[str], title: str) -> str | None:
        """Return the first address of an item; count the others, and an item without any."""
        if not addresses:
            self.account.leave_out(NO_MEDIA, title)
            return None
        for further in addresses[1:]:
            self.account.leave_out(FURTHER, further)
        return addresses[0]

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
        if page is None or page.form not in (Form.FEED, Form.JSON):
            self.account.leave_out("a page that is no feed", address)
            return None
        return page

    def download(self, address: str) -> Page | None:
        """Return the page at an address, or None when it is not that of a feed."""
        self.addresses.add(address)
        page = transfer.download(address, self.timeout_s, self.user_agent, self.left_bytes)
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
        return urljoin(base, address.strip())[: LONGEST_ADDRESS + 1]
    except ValueError:
        return address[: LONGEST_ADDRESS + 1]


def _item(entry: Any, feed: Any, base: str, media_url: str) -> FeedItem:  # noqa: ANN401 (a foreign or generic shape)
    found = announced(
        title=items.title(entry),
        channel=items.title(feed),
        published_at=_published_at(entry),
        has_date=bool(entry.get("published")),
        duration_s=duration_s(str(entry.get("itunes_duration", ""))),
        language=feed.get("language"),
    ).saying(about.in_entry(entry))
    transcripts = [
        PublishedTranscript(address=address, media_type=media_type, language=language)
        for named, media_type, language in items.transcripts(entry)
        if len(address := _absolute(base, named)) <= LONGEST_ADDRESS
    ]
    return FeedItem(_guid(entry), _absolute(base, media_url), found, transcripts)


def _guid(entry: Any) -> str:  # noqa: ANN401 (a foreign or generic shape)
    return _bounded_guid(str(entry.get("id", "")))


def _bounded_guid(guid: str) -> str:
    """Return an identifier; the hash of one that is longer than any address."""
    return guid if len(guid) <= LONGEST_ADDRESS else hashlib.sha256(guid.encode(errors="surrogatepass")).hexdigest()


def _published_at(entry: Any) -> datetime | None:  # noqa: ANN401 (a foreign or generic shape)
    """Return when an episode was published; Atom may only have the time of its last change."""
    if UNIX_TIME.fullmatch(str(entry.get("published", "")).strip()):  # the parser would take it for a day
        return datetime.fromtimestamp(int(entry["published"]), UTC)
    return _moment(entry.get("published_parsed") or dict.get(entry, "updated_parsed"))


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
