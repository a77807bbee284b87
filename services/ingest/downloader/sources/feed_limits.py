"""The limits of a feed's XML, tried before the feed is parsed: depth, attributes and number of items.

The parser of feeds needs seconds and gigabytes for a few megabytes of nested tags. This pass needs neither. What is not
well-formed is left to that parser, and to the limits of its process.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from xml.parsers import expat

from ingest.shared.errors import Code, IngestError

MOST_ITEMS = 20_000
DEEPEST = 100
MOST_ATTRIBUTES = 200
ITEMS = frozenset({"item", "entry"})


@dataclass(frozen=True)
class Bounded:
    """The data of a feed with at most MOST_ITEMS items, and how many were left out."""

    data: bytes
    left_out: int


def bounded(data: bytes, most_items: int = MOST_ITEMS) -> Bounded:
    """Return the first items of a feed; raise TOO_LARGE for tags that no feed has."""
    scan = _Scan(most_items)
    scan.read(data)
    if scan.end is None:
        return Bounded(data, 0)
    return Bounded(data[: scan.end] + scan.closing, scan.items - most_items)


class _Scan:
    """Counts items and depth; `end` is where the first item begins that is too many, `closing` what completes it."""

    def __init__(self, most_items: int) -> None:
        self._most_items = most_items
        self.items = 0
        self.end: int | None = None
        self.closing = b""
        self._open: list[str] = []
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._finish
        self._parser.DefaultHandler = lambda _text: None  # expat then expands no entities

    def read(self, data: bytes) -> None:
        with suppress(expat.ExpatError):  # the parser of feeds reads what is not well-formed, too
            self._parser.Parse(data, True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(attributes) > MOST_ATTRIBUTES:
            raise IngestError(Code.TOO_LARGE, f"a tag of the feed has more than {MOST_ATTRIBUTES} attributes")
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
