"""Whether a run is settled, by what the ledger says about its recordings. Pure.

A recording of a run is settled when the generation that the run waits for has ended, or a newer one has begun: another
command has requested it anew. Deferred is not settled: it is due later.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ingest.shared.video_state import ENDED, VideoState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Fate(StrEnum):
    """What became of a recording of a run; the names are those of the fields of `RunEnd`."""

    INDEXED = "indexed"
    SKIPPED = "skipped"
    FAILED = "failed"
    REPEATED = "repeated"
    LOST = "lost"


FAILURES = frozenset({Fate.FAILED, Fate.LOST})


@dataclass(frozen=True)
class Standing:
    """A recording in the ledger."""

    generation: int
    state: VideoState


def fate(generation: int, standing: Standing | None) -> Fate | None:
    """Return what became of a recording in a generation, None while that is open."""
    if standing is None or standing.generation < generation:
        return None
    if standing.generation > generation:
        return Fate.REPEATED
    return Fate(standing.state) if standing.state in ENDED else None


def verdict(
    videos: Mapping[str, int], standings: Mapping[str, Standing], *, open_are_lost: bool
) -> Counter[Fate] | None:
    """Return what became of the recordings of a run, None while the run is open. Its queues must be empty.

    `videos` are its recordings with their generations. With `open_are_lost`, nothing will happen to an open one.
    """
    fates = [fate(generation, standings.get(video_id)) for video_id, generation in videos.items()]
    if None in fates and not open_are_lost:
        return None
    return Counter(one or Fate.LOST for one in fates)


def has_failures(fates: Iterable[Fate]) -> bool:
    """Return whether recordings have failed or are lost."""
    return not FAILURES.isdisjoint(fates)
