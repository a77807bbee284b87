"""Cuts long recordings into windows and links the speakers of one window to those of the others. Pure.

Clustering compares all pairs of embeddings, so its memory grows with the square of the length. A recording over a limit
is diarized window by window. The speakers of each window are then linked by their centroids, best pairs first, each to
at most one speaker of the earlier windows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ingest.asr.spans import Span
from ingest.asr.speakers.vectors import l2_normalize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingest.asr.speakers.vectors import FloatArray

SEARCH = 0.2  # share of a window in which its end may be moved to a pause


@dataclass(frozen=True)
class Bounds:
    """The least and greatest number of speakers; None where it is unknown."""

    minimum: int | None = None
    maximum: int | None = None

    def over(self, general: Bounds) -> Bounds:
        """Return these bounds, with missing values taken from `general`."""
        return Bounds(self.minimum or general.minimum, self.maximum or general.maximum)


@dataclass(frozen=True)
class SpeakerTurn:
    """A span in which one speaker of the diarization speaks."""

    span: Span
    speaker: str


@dataclass(frozen=True, eq=False)
class Diarization:
    """The turns of one window, and the mean voice embedding (dimension,) of each speaker that has one."""

    turns: tuple[SpeakerTurn, ...]
    centroids: Mapping[str, FloatArray]


def windows(duration_s: float, limit_s: float, speech: Sequence[Span]) -> list[Span]:
    """Return windows of about equal length, each of at most `limit_s`, that end in the longest pause near their end."""
    count = max(1, math.ceil(duration_s / limit_s))
    if count == 1:
        return [Span(0.0, duration_s)]
    cuts = [0.0]
    for number in range(1, count):
        latest_s = min(cuts[-1] + limit_s, number * duration_s / count + SEARCH * limit_s / 2)
        cuts.append(_pause(speech, latest_s - SEARCH * limit_s, latest_s))
        if duration_s - cuts[-1] > (count - number) * limit_s:  # a pause so early that the rest would not fit
            cuts[-1] = latest_s
    return [Span(start_s, end_s) for start_s, end_s in zip(cuts, [*cuts[1:], duration_s], strict=True)]


def _pause(speech: Sequence[Span], first_s: float, last_s: float) -> float:
    """Return the middle of the longest pause between two seconds; the last second when there is none."""
    best_s, at_s = 0.0, last_s
    for before, after in pairwise(speech):
        start_s, end_s = max(first_s, before.end_s), min(last_s, after.start_s)
        if end_s - start_s > best_s:
            best_s, at_s = end_s - start_s, (start_s + end_s) / 2
    return at_s


def link(parts: Sequence[Diarization], least: float) -> list[SpeakerTurn]:
    """Return the turns of all windows with common labels `S1` to `Sn`; speakers with a cosine of `least` are linked.

    A speaker without a centroid (one who speaks too briefly) is not linked.
    """
    known: list[FloatArray | None] = []  # the voice of each common speaker: the sum of its normalized vectors
    turns: list[SpeakerTurn] = []
    for part in parts:
        pairs = _pairs(part.centroids, known, least)
        names: dict[str, str] = {}
        for label in dict.fromkeys(item.speaker for item in part.turns):
            voice = l2_normalize(part.centroids[label]) if label in part.centroids else None
            if label in pairs:
                known[pairs[label]] = np.asarray(known[pairs[label]] + voice)  # type: ignore[operator]  # both exist
            else:
                known.append(voice)
            names[label] = f"S{pairs.get(label, len(known) - 1) + 1}"
        turns += [SpeakerTurn(item.span, names[item.speaker]) for item in part.turns]
    return sorted(turns, key=lambda item: (item.span.start_s, item.span.end_s))


def _pairs(centroids: Mapping[str, FloatArray], known: Sequence[FloatArray | None], least: float) -> dict[str, int]:
    """Return the index of the known speaker for each label: best pairs first, each speaker in at most one pair."""
    cosines = [
        (float(l2_normalize(centroid) @ l2_normalize(voice)), label, place)
        for label, centroid in centroids.items()
        for place, voice in enumerate(known)
        if voice is not None
    ]
    found: dict[str, int] = {}
    for cosine, label, place in sorted(cosines, key=lambda pair: -pair[0]):
        if cosine >= least and label not in found and place not in found.values():
            found[label] = place
    return found
