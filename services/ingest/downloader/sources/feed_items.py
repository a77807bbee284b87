"""Chooses the audio or video of a feed's item, and the identity of an episode. Pure; works on what feedparser returns.

Types of enclosures are often wrong (`mp3`, empty, `application/ogg`), so the suffix of the address counts as well.
"""

from __future__ import annotations

import mimetypes
from collections import defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from ingest.shared.formats import MEDIA_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable

MEDIA_TYPES = frozenset(
    {"application/octet-stream", "binary/octet-stream", "application/ogg", "application/x-ogg", "application/mp4"}
)
OTHER_TYPES = ("image/", "text/", "application/pdf", "application/zip", "application/epub")
MEDIUMS = frozenset({"audio", "video"})


def media_address(entry: Any) -> str | None:  # noqa: ANN401 (a foreign or generic shape)
    """Return the address of an entry's audio or video: of an enclosure, else of `media:content`; None without any."""
    enclosures = [(link.get("href"), link.get("type"), "") for link in entry.get("enclosures", ())]
    contents = [(one.get("url"), one.get("type"), one.get("medium")) for one in entry.get("media_content", ())]
    return next((str(url) for url, kind, medium in (*enclosures, *contents) if _is_media(url, kind, medium)), None)


def _is_media(url: object, kind: object, medium: object) -> bool:
    """Return whether a link is audio or video, by its type or suffix; without a type, unless its suffix is another."""
    if not url:
        return False
    named = str(kind or "").partition(";")[0].strip().lower()
    path = _path(str(url))
    if named.startswith(("audio/", "video/")) or named in MEDIA_TYPES or str(medium or "").lower() in MEDIUMS:
        return True
    if path.suffix.lower() in MEDIA_SUFFIXES or f".{named}" in MEDIA_SUFFIXES:
        return True
    guessed = mimetypes.guess_type(path.name)[0] or ""
    return not named and not guessed.startswith(OTHER_TYPES)


def _path(url: str) -> PurePosixPath:
    try:
        return PurePosixPath(unquote(urlsplit(url).path))
    except ValueError:
        return PurePosixPath()


def next_page(feed: Any, address: str) -> str | None:  # noqa: ANN401 (a foreign or generic shape)
    """Return the address of the next page of a feed (`atom:link rel="next"`), or None on the last one."""
    for link in feed.get("links", ()):
        if str(link.get("rel", "")).lower() == "next" and link.get("href"):
            try:
                return urljoin(address, str(link["href"]))
            except ValueError:
                return None
    return None


def repeated(episodes: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the identifiers that a feed gives to several addresses: they identify nothing alone."""
    addresses: defaultdict[str, set[str]] = defaultdict(set)
    for guid, url in episodes:
        addresses[guid].add(url)
    return frozenset(guid for guid, urls in addresses.items() if len(urls) > 1)


def with_login(url: str, feed_url: str) -> str:
    """Return the address of an episode with the login of its feed, if it is on the same host and names none itself."""
    feed, parts = urlsplit(feed_url), urlsplit(url)
    login, at, _ = feed.netloc.rpartition("@")
    if not at or "@" in parts.netloc or _server(feed) != _server(parts):
        return url
    return parts._replace(netloc=f"{login}@{parts.netloc}").geturl()


def _server(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port
