"""Texts by key, in a temporary file once they are many: the memory of a long submission does not grow with them."""

from __future__ import annotations

import sqlite3
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Nothing outlives the process, so nothing is written for the case of a crash.
CREATE = """
PRAGMA journal_mode = OFF;
CREATE TABLE texts (key TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX texts_key ON texts (key);
"""


class Texts:
    """Keeps the texts that were added under each key, in their order. The file has no name, and ends with this."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # in memory up to 2 MB
        weakref.finalize(self, self._file.close)
        self._file.executescript(CREATE)

    def add(self, key: str, text: str = "") -> None:
        """Add a text under a key."""
        self._file.execute("INSERT INTO texts VALUES (?, ?)", (key, text))

    def of(self, key: str) -> list[str]:
        """Return the texts under a key."""
        return [text for (text,) in self._file.execute("SELECT text FROM texts WHERE key = ? ORDER BY rowid", (key,))]

    def __contains__(self, key: object) -> bool:
        return self._file.execute("SELECT 1 FROM texts WHERE key = ?", (key,)).fetchone() is not None

    def items(self) -> Iterator[tuple[str, str]]:
        """Yield all keys with their texts, in the order in which they were added."""
        yield from self._file.execute("SELECT key, text FROM texts ORDER BY rowid")
