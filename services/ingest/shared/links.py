"""Addresses that open a recording at a second.

A search result needs them where no downloader is installed, so they are not part of the downloader's connectors. A
source type has an entry here only when its site has a form of its own. Logins are left out: a browser asks for them.
The second is a whole one before the word, never after it. The function `archive_link` of the database does the same.
An address that is not one of the web (`javascript:`, `data:`) is no link: a browser would run it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urldefrag

from ingest.shared.messages import SourceKind
from ingest.shared.outgoing import address

if TYPE_CHECKING:
    from collections.abc import Callable

YOUTUBE_PLAYER = "https://www.youtube-nocookie.com"
EARLY_S = 0.3  # a word may begin up to 0.2 s before its time says, and a player may seek a little too far

_OTHER_SCHEME = re.compile(r"\s*(?!https?:)[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_FORMS: Final[dict[str, Callable[[str, int], str | None]]] = {
    SourceKind.YOUTUBE: lambda url, second: f"{address(url)}&t={second}s",
    SourceKind.FILE: lambda path, second: f"file://{quote(path)}#t={second}",
}


def link(kind: str | None, url: str | None, start_s: float) -> str | None:
    """Return the address of a recording at a second; None where it is not known, and for one that is not to be opened.

    `kind` is a SourceKind, or None when it is unknown.
    """
    second = int(max(0.0, start_s - EARLY_S))
    return _FORMS.get(kind or "", _with_fragment)(url, second) if url is not None else None


def player(kind: str | None, video_id: str) -> str | None:
    """Return the address of the player that a site gives to pages of others; None where it gives none."""
    return f"{YOUTUBE_PLAYER}/embed/{video_id}" if kind == SourceKind.YOUTUBE else None


def _with_fragment(url: str, second: int) -> str | None:
    """Return an address with a media fragment (https://www.w3.org/TR/media-frags/), which browsers understand."""
    return None if _OTHER_SCHEME.match(url) else f"{address(urldefrag(url).url)}#t={second}"
