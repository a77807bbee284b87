"""The feeds that a web page names in its head, and whether the page has media of its own. Runs in a child process."""

from __future__ import annotations

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
LINKED = MEDIA_SUFFIXES - TYPESCRIPT


def feeds_of(address: str, data: bytes) -> list[str]:
    """Return the addresses of the feeds of a page, but none of a page about one recording.

    A home page may play its newest episode. Any other page with media is taken for that of a recording. Feeds of
    comments come last.
    """
    page = _Page(address)
    page.feed(start_tags(data.decode(errors="replace"), "link", "meta", "a", *MEDIA_TAGS))
    if page.has_media and urlsplit(address).path not in HOME:
        return []
    ranked = sorted(page.feeds, key=lambda one: one.is_of_comments)
    return list(dict.fromkeys(one.address for one in ranked))


@dataclass(frozen=True)
class _FeedLink:
    address: str
    is_of_comments: bool


@dataclass
class _Page(HTMLParser):
    base: str
    feeds: list[_FeedLink] = field(default_factory=list)
    has_media: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a link to a feed, and what plays media."""
        values = {name: value or "" for name, value in attrs}
        if tag == "link" and "alternate" in values.get("rel", "").lower().split():
            self._note_feed(values)
        named = values.get("property", values.get("name", "")).lower()
        self.has_media |= tag in MEDIA_TAGS or (tag == "meta" and named.startswith(MEDIA_PROPERTIES))
        if tag == "a":
            self.has_media |= PurePosixPath(values.get("href", "").partition("?")[0]).suffix.lower() in LINKED

    def _note_feed(self, values: dict[str, str]) -> None:
        href = values.get("href", "").strip()
        if values.get("type", "").strip().lower() not in FEED_TYPES or not href:
            return
        try:
            address = urljoin(self.base, href)
        except ValueError:
            return
        if address.startswith(("http://", "https://")):
            about = f"{values.get('title', '')} {href}".lower()
            self.feeds.append(_FeedLink(address, "comment" in about))
