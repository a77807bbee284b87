"""Long recordings in windows: where they are cut, and which speaker of one window is which of another. Pure.

Clustering compares everything with everything, so its memory grows with the square of the length. A recording over a
limit is diarized window by window; the speakers of each window are then linked by their centroids, best pairs first,
each to at most one speaker of the windows before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ingest.asr.spans import Span
from ingest.asr.speakers.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingest.asr.speakers.vectors import FloatArray

SEARCH = 0.2  # share of a window in which its end may be moved to a pause


@dataclass(frozen=True)
class Bounds:
    """At least and at most so many speakers are there; None where nobody knows."""

    least: int | None = None
    most: int | None = None

    def over(self, general: Bounds) -> Bounds:
        """Return these bounds, with what nobody knows of this recording from the general ones."""
        return Bounds(self.least or general.least, self.most or general.most)


@dataclass(frozen=True)
class Spoken:
    """A speaker of the diarization speaks."""

    span: Span
    speaker: str


@dataclass(frozen=True, eq=False)
class Diarized:
    """Who speaks when in one window, and the mean voice (dimension,) of each speaker that has one."""

    spoken: tuple[Spoken, ...]
    centroids: Mapping[str, FloatArray]


def windows(duration_s: float, limit_s: float, speech: Sequence[Span]) -> list[Span]:
    """Return windows of about equal length, none over `limit_s`, that end in the longest pauses near their ends."""
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


def link(parts: Sequence[Diarized], least: float) -> list[Spoken]:
    """Return who speaks when in all windows, by common names `S1` to `Sn`; speakers with a cosine of `least` are one.

    A speaker without a voice of his own (too short for one) is linked to nobody.
    """
    known: list[FloatArray | None] = []  # the voice of each common speaker: the sum of its unit vectors
    spoken: list[Spoken] = []
    for part in parts:
        pairs = _pairs(part.centroids, known, least)
        names: dict[str, str] = {}
        for label in dict.fromkeys(item.speaker for item in part.spoken):
            voice = unit(part.centroids[label]) if label in part.centroids else None
            if label in pairs:
                known[pairs[label]] = np.asarray(known[pairs[label]] + voice)  # type: ignore[operator]  # both are there
            else:
                known.append(voice)
            names[label] = f"S{pairs.get(label, len(known) - 1) + 1}"
        spoken += [Spoken(item.span, names[item.speaker]) for item in part.spoken]
    return sorted(spoken, key=lambda item: (item.span.start_s, item.span.end_s))


def _pairs(centroids: Mapping[str, FloatArray], known: Sequence[FloatArray | None], least: float) -> dict[str, int]:
    """Return which label is which known speaker: best pairs first, each in one pair."""
    cosines = [
        (float(unit(centroid) @ unit(voice)), label, place)
        for label, centroid in centroids.items()
        for place, voice in enumerate(known)
        if voice is not None
    ]
    found: dict[str, int] = {}
    for cosine, label, place in sorted(cosines, key=lambda pair: -pair[0]):
        if cosine >= least and label not in found and place not in found.values():
            found[label] = place
    return found
