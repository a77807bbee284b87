"""The languages of the recordings of a source that this process has read: evidence for the next ones of the source.

Recordings share a channel or a folder. Where each has a folder of its own, they share the folder above it: every folder
counts once there, so one with many recordings says no more than the others.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ingest.shared.messages import Metadata, Source, SourceKind

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_RECORDINGS = 3
LEAST_SHARE = 2 / 3  # of the evidence: a source in several languages announces none
LEAST_SHARE_ABOVE = 0.9  # of folders: they may be one for each language
MOST_SOURCES = 1000


def source_keys(source: Source, metadata: Metadata) -> tuple[str, ...]:
    """Return what the recordings of a source share: the channel or, of files, the folder and the one above it."""
    if metadata.channel is not None:
        return (f"channel {metadata.channel}",)
    return folder_keys(source.url) if source.kind is SourceKind.FILE else ()


def folder_keys(path: str) -> tuple[str, ...]:
    """Return what a file shares with others: its folder and the one above it."""
    folder = PurePosixPath(path).parent
    return f"folder {folder}", f"folders in {folder.parent}"


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

    def likely(self, keys: Sequence[str]) -> str | None:
        """Return the language that nearly all recordings of a source were in; None below three recordings.

        The first key with enough recordings decides.
        """
        with self._lock:
            for key, least in zip(keys, (LEAST_SHARE, LEAST_SHARE_ABOVE), strict=False):
                found = self._known.get(key)
                if found is not None and found.recordings >= LEAST_RECORDINGS:
                    best = max(found.sums, key=lambda name: found.sums[name])
                    return best if found.sums[best] >= least * sum(found.sums.values()) else None
        return None

    def add(self, keys: Sequence[str], language: str, probability: float) -> None:
        """Count a recording; the source that was read longest ago is forgotten when there are too many."""
        with self._lock:
            for key in keys:
                is_first = key not in self._known
                self._count(key, language, probability)
                if not is_first:
                    break  # the folder was counted in the one above it

    def _count(self, key: str, language: str, probability: float) -> None:
        found = self._known.setdefault(key, _Evidence())
        self._known.move_to_end(key)
        found.recordings += 1
        found.sums[language] += probability
        if len(self._known) > self._most:
            self._known.popitem(last=False)
