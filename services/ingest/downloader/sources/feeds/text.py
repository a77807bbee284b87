"""What the bytes of a page say before they are parsed: whether it is a feed, its encoding, whether it has its end.

Generators write what is no XML: a declaration of UTF-16 before UTF-8, a letter as two halves of UTF-16. It is mended.

The root element decides. What may stand before it (a declaration, comments with a licence, a document type) is skipped.
Sites also print warnings before it, so its name is looked for in the first characters.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST_DECLARATION: Final = 1 << 10
LONGEST_PROLOG: Final = 1 << 16
SNIFFED: Final = 2048
TAIL_BYTES: Final = 1 << 16  # caches and trackers write after the end of a feed
PROLOG = re.compile(r"\s*(?:<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>)", re.DOTALL | re.IGNORECASE)
BEGUN = re.compile(r"\s*(?:<(?:\?|!(?:-|D|$)|$)|$)", re.IGNORECASE)
ROOT = re.compile(r"<(?:[\w.-]{1,50}:)?(?:rss|feed|rdf)[\s>]", re.IGNORECASE)
END = re.compile(rb"</(?:[\w.-]{1,50}:)?(?:rss|feed|rdf)\s*>", re.IGNORECASE)
DECLARATION = re.compile(r"^\s*<\?xml.*?\?>", re.DOTALL)
FALSE_DECLARATION = re.compile(
    rb"""^((?:\xef\xbb\xbf)?\s*<\?xml[^>]*?)\sencoding\s*=\s*["'](?:utf-?(?:16|32)|ucs-?[24])[^"']*["']""",
    re.IGNORECASE,
)
HALVES = re.compile(
    rb"(?:&#(?:x[dD][89A-Fa-f][0-9A-Fa-f]{2}|5[5-7][0-9]{3});)+"
)  # numbers of U+D800 to U+DFFF, and few more
HALF = re.compile(rb"&#(?:x([0-9A-Fa-f]+)|([0-9]+));")
BARE_AMPERSAND = re.compile(rb"&(?!(?:[A-Za-z][A-Za-z0-9]{1,31}|#[0-9]{1,8}|#[xX][0-9A-Fa-f]{1,6});)")
CDATA: Final = b"<![CDATA["
CDATA_END: Final = b"]]>"
WIDE: Final = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))


def looks_like_feed(data: bytes | bytearray) -> bool:
    """Return whether the root element of a page is that of a feed."""
    text, after = after_prolog(data)
    return ROOT.search(text, after, after + SNIFFED) is not None


def may_become_feed(data: bytes | bytearray) -> bool:
    """Return whether the page that begins with these bytes can be a feed; false ends its transfer."""
    text, after = after_prolog(data)
    if len(text) - after < SNIFFED or (len(data) < LONGEST_PROLOG and BEGUN.match(text, after)):
        return True
    return ROOT.search(text, after, after + SNIFFED) is not None


def as_utf8(data: bytes) -> bytes:
    """Return a page in an encoding in which tags can be counted: UTF-16 becomes UTF-8, without its declaration."""
    encoding = _wide(data)
    if encoding is None:
        head, rest = data[:LONGEST_DECLARATION], data[LONGEST_DECLARATION:]
        return HALVES.sub(_joined, FALSE_DECLARATION.sub(rb"\1", head) + rest)
    return DECLARATION.sub("", data.decode(encoding, "replace").lstrip("\ufeff"), count=1).encode()


def _joined(halves: re.Match[bytes]) -> bytes:
    """Return one reference for each letter that is written as the numbers of its two halves in UTF-16."""
    numbers = [int(half[1], 16) if half[1] else int(half[2]) for half in HALF.finditer(halves[0])]
    text = "".join(map(chr, numbers)).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(f"&#{ord(letter)};" for letter in text).encode()


def escaped(data: bytes) -> bytes:
    """Return a feed whose bare ampersands (`AT&T`, as people write them) are escaped; those in CDATA are right."""
    parts, at = [], 0
    while (start := data.find(CDATA, at)) >= 0 and (end := data.find(CDATA_END, start)) >= 0:
        parts += [BARE_AMPERSAND.sub(b"&amp;", data[at:start]), data[start:end]]
        at = end
    return b"".join([*parts, BARE_AMPERSAND.sub(b"&amp;", data[at:])])


def breaks_off(data: bytes) -> bool:
    """Return whether the root element of a feed has no end: a transfer of unknown length was cut."""
    return END.search(data, max(0, len(data) - TAIL_BYTES)) is None


def after_prolog(data: bytes | bytearray) -> tuple[str, int]:
    """Return the first characters of a page, and where its prolog ends."""
    text = bytes(data[: LONGEST_PROLOG + 2 * SNIFFED]).decode(_wide(data) or "latin-1", "replace").lstrip("\ufeff")
    after = 3 if text.startswith("ï»¿") else 0  # the mark of UTF-8
    while found := PROLOG.match(text, after):
        after = found.end()
    return text, after


def _wide(data: bytes | bytearray) -> str | None:
    """Return the name of the encoding of a page whose characters have two bytes, else None."""
    return next((encoding for mark, encoding in WIDE if data.startswith(mark)), None)
