"""The limits of a feed's XML, tried before the feed is parsed: depth, attributes, namespaces and number of items.

The parser of feeds needs minutes and gigabytes for a few megabytes of nested tags. This pass needs neither. In a feed
that is not well-formed, tags are only counted: its descriptions may leave many open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.parsers import expat

from ingest.shared.errors import Code, IngestError

MOST_ITEMS = 20_000
DEEPEST = 100
MOST_ATTRIBUTES = 200
MOST_NAMESPACES = 100  # different names: the parser compares each with all
ITEMS = frozenset({"item", "entry"})
LOOSE_ITEMS = frozenset(name.encode() for name in ITEMS)
MOST_LEFT_OPEN = 50_000
LONGEST_TAG = 1 << 16
TAG = re.compile(rb"<(/?)([A-Za-z][\w.-]*+)([^<>]*+)>")  # without backtracking: a tag may have no end


@dataclass(frozen=True)
class FeedPart:
    """The data of a feed with at most MOST_ITEMS items, and how many were left out."""

    data: bytes
    left_out: int


def bounded(data: bytes, most_items: int = MOST_ITEMS) -> FeedPart:
    """Return the first items of a feed; raise TOO_LARGE for tags that no feed has."""
    scan = _Scan(most_items)
    if not scan.read(data):
        return _loose(data, most_items)
    if scan.end is None:
        return FeedPart(data, 0)
    return FeedPart(data[: scan.end] + scan.closing, scan.items - most_items)


def _loose(data: bytes, most_items: int) -> FeedPart:
    """Return the first items of a feed that is not well-formed."""
    left_open = items = 0
    end = len(data)
    for tag in TAG.finditer(data):
        slash, name, rest = tag.groups()
        if len(rest) > LONGEST_TAG:
            raise IngestError(Code.TOO_LARGE, f"a tag of the feed is longer than {LONGEST_TAG} bytes")
        left_open += -1 if slash else not rest.endswith(b"/")
        if left_open > MOST_LEFT_OPEN:
            raise IngestError(Code.TOO_LARGE, f"more than {MOST_LEFT_OPEN} tags of the feed are open")
        if not slash and name.lower() in LOOSE_ITEMS:
            items += 1
            if items == most_items + 1:
                end = tag.start()
    return FeedPart(data[:end], max(0, items - most_items))


class _Scan:
    """Counts items and depth; `end` is where the first item begins that is too many, `closing` what completes it."""

    def __init__(self, most_items: int) -> None:
        self._most_items = most_items
        self.items = 0
        self.end: int | None = None
        self.closing = b""
        self._open: list[str] = []
        self._namespaces: set[str] = set()
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._finish
        self._parser.DefaultHandler = lambda _text: None  # expat then expands no entities

    def read(self, data: bytes) -> bool:
        """Read a feed; return whether it is well-formed, in an encoding that expat supports (of several bytes, few)."""
        try:
            self._parser.Parse(data, True)
        except (expat.ExpatError, LookupError, ValueError):
            return False
        return True

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(attributes) > MOST_ATTRIBUTES:
            raise IngestError(Code.TOO_LARGE, f"a tag of the feed has more than {MOST_ATTRIBUTES} attributes")
        self._namespaces.update(attribute for attribute in attributes if attribute.startswith("xmlns:"))
        if len(self._namespaces) > MOST_NAMESPACES:
            raise IngestError(Code.TOO_LARGE, f"the feed has more than {MOST_NAMESPACES} names of namespaces")
        if len(self._open) >= DEEPEST:
            raise IngestError(Code.TOO_LARGE, f"tags of the feed are nested more than {DEEPEST} deep")
        if name.rpartition(":")[2] in ITEMS:
            self.items += 1
            if self.items == self._most_items + 1:
                self.end = self._parser.CurrentByteIndex
                self.closing = "".join(f"</{one}>" for one in reversed(self._open)).encode()
        self._open.append(name)

    def _finish(self, _name: str) -> None:
        self._open.pop()
