"""The forms of what may be at the address of a feed, known by the first bytes."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from ingest.downloader.sources.feeds.text import SNIFFED, after_prolog, looks_like_feed, may_become_feed

JSON_HEAD: Final = 1 << 16  # within which a JSON feed names its version
PLAYLIST_TYPES: Final = frozenset({"audio/x-mpegurl", "audio/mpegurl", "application/x-mpegurl", "audio/x-scpls"})
PLAYLIST_SUFFIXES: Final = frozenset({".m3u", ".m3u8", ".pls"})
LIST_SUFFIXES: Final = PLAYLIST_SUFFIXES | {".opml"}
OPML_ROOT = re.compile(r"<opml[\s>]", re.IGNORECASE)
PAGE_ROOT = re.compile(r"\s*<(?:html|head|body)[\s>]", re.IGNORECASE)
HEAD_END = re.compile(rb"</head|<body", re.IGNORECASE)
LEADS_ON = re.compile(rb"alternate|http-equiv\s*=\s*[\"']?\s*refresh", re.IGNORECASE)
STREAM = "#ext-x-"  # begins the lines of HLS: pieces of one stream


class Form(StrEnum):
    """What is at an address."""

    FEED = "feed"  # RSS or Atom
    JSON = "JSON feed"
    OPML = "list of feeds"
    PLAYLIST = "playlist"
    PAGE = "page"


LARGEST_BYTES: Final = {
    Form.FEED: 64 << 20,
    Form.JSON: 16 << 20,
    Form.OPML: 4 << 20,
    Form.PLAYLIST: 1 << 20,
    Form.PAGE: 1 << 20,
}


def names_playlist(address: str, content_type: str) -> bool:
    """Return whether an address or a type is that of a playlist; those of HLS may be the same."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in PLAYLIST_TYPES or PurePosixPath(urlsplit(address).path).suffix.lower() in PLAYLIST_SUFFIXES


def form_of(data: bytes | bytearray, *, is_playlist: bool = False) -> Form | None:
    """Return the form of what begins with these bytes; None for anything else, or as long as it cannot be known.

    `is_playlist` says that the address or the type is that of a playlist: a list of addresses may have no head.
    """
    if looks_like_feed(data):
        return Form.FEED
    text, after = after_prolog(data)
    head = text[after : after + SNIFFED]
    if OPML_ROOT.search(head):
        return Form.OPML
    if PAGE_ROOT.match(head):
        return Form.PAGE
    begun = head.lstrip("\ufeff\xef\xbb\xbf \r\n\t").lower()
    if begun.startswith(("#extm3u", "[playlist]")) or (is_playlist and begun):
        return Form.PLAYLIST if STREAM not in head.lower() and "\0" not in head else None
    return Form.JSON if begun.startswith("{") and "jsonfeed.org/version" in text.replace("\\/", "/") else None


def may_become_form(data: bytes | bytearray) -> bool:
    """Return whether what begins with these bytes can have a form; false ends its transfer."""
    return may_become_feed(data) or (len(data) < JSON_HEAD and data.lstrip()[:1] == b"{")


def has_no_feed(page: bytes | bytearray) -> bool:
    """Return whether the head of a page has ended, and neither names a feed nor sends its readers elsewhere."""
    return HEAD_END.search(page) is not None and LEADS_ON.search(page) is None
