"""Chooses the audio or video of a feed's item, and the identity of an episode. Pure; works on what feedparser returns.

Types of enclosures are often wrong (`mp3`, empty, `application/ogg`), so the suffix of the address counts as well.
"""

from __future__ import annotations

import html
import mimetypes
import re
from collections import defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from ingest.shared.bounds import LONGEST_LANGUAGE
from ingest.shared.captions import LONGEST_TYPE, MOST_PUBLISHED
from ingest.shared.formats import MEDIA_SUFFIXES, TYPESCRIPT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MEDIA_TYPES = frozenset(
    {
        "application/octet-stream",
        "binary/octet-stream",
        "application/ogg",
        "application/x-ogg",
        "application/mp4",
        "application/x-mpegurl",
        "application/vnd.apple.mpegurl",
    }
)
STREAM_SUFFIX = ".m3u8"  # of HLS, which Apple's podcasts may be
LINKED = MEDIA_SUFFIXES - TYPESCRIPT  # suffixes that make a bare link one to media
OTHER_TYPES = ("image/", "text/", "application/pdf", "application/zip", "application/epub")
MEDIUMS = frozenset({"audio", "video"})
NAMESPACES = {  # their names here, whatever prefix a feed gives to them
    "https://podcastindex.org/namespace/1.0": "podcast",
    "http://purl.oclc.org/net/rss_2.0/enc#": "enc",
}
HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
TRANSCRIPTS = "podcast_transcripts"
TAG = re.compile(r"</?[a-zA-Z][^<>]*>")


def media_addresses(entry: Any) -> list[str]:  # noqa: ANN401 (a foreign or generic shape)
    """Return the addresses of an entry's audio or video, without those of the same file in other formats.

    These are its enclosures, else the first `media:content`, else the first of what other generators write.
    """
    enclosures = [(link.get("href"), link.get("type"), "") for link in entry.get("enclosures", ())]
    if found := list(dict.fromkeys(str(url) for url, kind, medium in enclosures if is_media(url, kind, medium))):
        return found
    contents = [(one.get("url"), one.get("type"), one.get("medium")) for one in entry.get("media_content", ())]
    others = (*contents, *_other_places(entry))
    return [str(url) for url, kind, medium in others if is_media(url, kind, medium)][:1]


def _other_places(entry: Any) -> Iterator[tuple[object, object, str]]:  # noqa: ANN401 (a foreign or generic shape)
    """Yield address, type and medium of what may be media: content of Atom, RSS 1.0, Podcasting 2.0, a bare link."""
    for content in map(_fields, entry.get("content", ())):
        yield content.get("src"), content.get("type"), ""
    enclosure = _fields(entry.get("enc_enclosure"))
    yield enclosure.get("rdf:resource"), enclosure.get("type"), ""
    kind = _fields(entry.get("podcast_alternateenclosure")).get("type")
    yield _fields(entry.get("podcast_source")).get("uri"), kind, ""
    for address in bare_links(entry.get("link"), entry.get("id")):
        yield address, "", ""


def transcripts(entry: Any) -> list[tuple[str, str, str]]:  # noqa: ANN401 (a foreign or generic shape)
    """Return address, type and language of the transcripts that an entry names, as far as a message can hold them."""
    found = []
    for one in map(_fields, entry.get(TRANSCRIPTS, ())):
        address, media_type, language = (str(one.get(name) or "").strip() for name in ("url", "type", "language"))
        if address and len(media_type) <= LONGEST_TYPE:
            found.append((address, media_type, language if len(language) <= LONGEST_LANGUAGE else ""))
    return found[:MOST_PUBLISHED]


def bare_links(*addresses: object) -> list[str]:
    """Return the addresses that are media by their suffix: links to a page are none."""
    return [str(address) for address in addresses if address and _suffix(str(address)) in LINKED]


def _fields(value: object) -> dict[str, object]:
    """Return the attributes of an element; of one without, feedparser has the text."""
    return value if isinstance(value, dict) else {}


def is_media(url: object, kind: object, medium: object) -> bool:
    """Return whether a link is audio or video, by its type or suffix; without a type, unless its suffix is another."""
    if not url:
        return False
    named = str(kind or "").partition(";")[0].strip().lower()
    if named.startswith(("audio/", "video/")) or named in MEDIA_TYPES or str(medium or "").lower() in MEDIUMS:
        return True
    suffix = _suffix(str(url))
    if suffix in MEDIA_SUFFIXES or suffix == STREAM_SUFFIX or f".{named}" in MEDIA_SUFFIXES:
        return True
    guessed = mimetypes.guess_type(f"x{suffix}")[0] or ""
    return not named and not guessed.startswith(OTHER_TYPES)


def _suffix(url: str) -> str:
    try:
        return PurePosixPath(unquote(urlsplit(url).path)).suffix.lower()
    except ValueError:
        return ""


def title(element: Any) -> object:  # noqa: ANN401 (a foreign or generic shape)
    """Return the title of a feed or an entry, else that of its iTunes tags; of HTML only the text."""
    said = element.get("title") or element.get("itunes_title")
    if not isinstance(said, str) or _fields(element.get("title_detail")).get("type") not in HTML_TYPES:
        return said
    return html.unescape(TAG.sub("", said))


def base(entry: Any, feed: Any) -> str:  # noqa: ANN401 (a foreign or generic shape)
    """Return the address (`xml:base`) to which an entry's own addresses are relative; empty where it names none."""
    details = (_fields(element.get("title_detail")) for element in (entry, feed))
    return next((str(found) for detail in details if (found := detail.get("base"))), "")


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
