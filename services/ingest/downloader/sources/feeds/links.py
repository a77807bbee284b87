"""The feeds that a web page names in its head, and whether the page has media of its own. Runs in a child process."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import PurePosixPath
from urllib.parse import urljoin, urlsplit

from ingest.downloader.sources.feeds.tags import start_tags
from ingest.shared.formats import MEDIA_SUFFIXES, TYPESCRIPT

FEED_TYPES = frozenset({"application/rss+xml", "application/atom+xml", "application/feed+json"})
MEDIA_TAGS = frozenset({"audio", "video"})
MEDIA_PROPERTIES = ("og:audio", "og:video", "twitter:player")
HOME = frozenset({"", "/", "/index.html", "/index.php"})
REFRESH = re.compile(r"\s*\d*[.\d]*\s*[;,]\s*url\s*=\s*(?P<quote>['\"]?)(?P<address>[^'\"\s]+)", re.IGNORECASE)
LINKED = MEDIA_SUFFIXES - TYPESCRIPT


def feeds_of(address: str, data: bytes) -> list[str]:
    """Return the addresses of the feeds of a page, but none of a page about one recording.

    A home page may play its newest episode. Any other page with media is taken for that of a recording. Feeds of
    comments come last.
    """
    page = _read(address, data)
    if page.has_media and urlsplit(address).path not in HOME:
        return []
    ranked = sorted(page.feeds, key=lambda one: one.is_of_comments)
    return list(dict.fromkeys(one.address for one in ranked))


def sent_on_to(address: str, data: bytes) -> str | None:
    """Return the address to which a page without feeds and media sends its readers (`meta refresh`)."""
    page = _read(address, data)
    return None if page.has_media or page.feeds else page.refresh


def _read(address: str, data: bytes) -> _Page:
    page = _Page(address)
    page.feed(start_tags(data.decode(errors="replace"), "link", "meta", "a", *MEDIA_TAGS))
    return page


@dataclass(frozen=True)
class _FeedLink:
    address: str
    is_of_comments: bool


@dataclass
class _Page(HTMLParser):
    base: str
    feeds: list[_FeedLink] = field(default_factory=list)
    has_media: bool = False
    refresh: str | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a link to a feed, and what plays media."""
        values = {name: value or "" for name, value in attrs}
        if tag == "link" and "alternate" in values.get("rel", "").lower().split():
            self._note_feed(values)
        named = values.get("property", values.get("name", "")).lower()
        self.has_media |= tag in MEDIA_TAGS or (tag == "meta" and named.startswith(MEDIA_PROPERTIES))
        if tag == "meta" and values.get("http-equiv", "").strip().lower() == "refresh":
            self._note_refresh(values.get("content", ""))
        if tag == "a":
            self.has_media |= PurePosixPath(values.get("href", "").partition("?")[0]).suffix.lower() in LINKED

    def _note_feed(self, values: dict[str, str]) -> None:
        href = values.get("href", "").strip()
        if values.get("type", "").strip().lower() not in FEED_TYPES or not href:
            return
        address = self._absolute(href)
        if address is not None:
            about = f"{values.get('title', '')} {href}".lower()
            self.feeds.append(_FeedLink(address, "comment" in about))

    def _note_refresh(self, content: str) -> None:
        found = REFRESH.match(content)
        if found and self.refresh is None:
            self.refresh = self._absolute(found["address"])

    def _absolute(self, href: str) -> str | None:
        """Return the absolute address of a link, if it is one of the web."""
        try:
            address = urljoin(self.base, href)
        except ValueError:
            return None
        return address if address.startswith(("http://", "https://")) else None
