"""The languages of the recordings of a source that this process has read: evidence for the next ones of the source."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field

from ingest.shared.messages import Metadata, Source, SourceKind

LEAST_RECORDINGS = 3
LEAST_SHARE = 2 / 3  # of the evidence: a source in several languages announces none
MOST_SOURCES = 1000


def source_key(source: Source, metadata: Metadata) -> str | None:
    """Return what the recordings of a source share: the channel or, of files, the folder; None if there is neither."""
    if metadata.channel is not None:
        return f"channel {metadata.channel}"
    return f"folder {source.url.rpartition('/')[0]}" if source.kind is SourceKind.FILE else None


@dataclass
class _Evidence:
    recordings: int = 0
    sums: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))


class SourceLanguages:
    """Counts the languages of each source; a recording counts as much as its language was probable by itself."""

    def __init__(self, most: int = MOST_SOURCES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Evidence] = OrderedDict()

    def likely(self, key: str | None) -> str | None:
        """Return the language that nearly all recordings of a source were in; None below three recordings."""
        with self._lock:
            found = self._known.get(key or "")
            if found is None or found.recordings < LEAST_RECORDINGS:
                return None
            best = max(found.sums, key=lambda name: found.sums[name])
            return best if found.sums[best] >= LEAST_SHARE * sum(found.sums.values()) else None

    def add(self, key: str | None, language: str, probability: float) -> None:
        """Count a recording; the source that was read longest ago is forgotten when there are too many."""
        if key is None:
            return
        with self._lock:
            found = self._known.setdefault(key, _Evidence())
            self._known.move_to_end(key)
            found.recordings += 1
            found.sums[language] += probability
            if len(self._known) > self._most:
                self._known.popitem(last=False)
