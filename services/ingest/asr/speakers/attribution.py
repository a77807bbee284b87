"""Words meet turns: who said each word, and segments that are split where the speaker changes. Pure.

A word belongs to the turn that it overlaps most. One that lies for the most part in no turn goes with its neighbours in
the segment, if their turn is within a bound, else to the nearest turn within that bound, or to nobody. A speaker change
of a few words between two parts of one speaker, shorter than a bound, is taken for a slip and smoothed away. Nothing
that was said is dropped.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.shared.artifacts.transcript import Segment, Turn, Word

NEAREST_S = 0.8
SHORTEST_FLIP_S = 0.6


@dataclass(frozen=True)
class Attributed:
    """A word, the number of its turn (None where nobody is near), and whether others speak at the same time."""

    word: Word
    turn: int | None
    is_overlap: bool


class _Timeline:
    """Turns in order of their start, for quick questions about who speaks around a word."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self.turns = turns
        self._starts_s = [turn.start_s for turn in turns]
        self._latest = list(accumulate(range(len(turns)), self._later))  # of the turns so far, who ends last
        self._reach_s = [turns[number].end_s for number in self._latest]

    def _later(self, one: int, other: int) -> int:
        return other if self.turns[other].end_s > self.turns[one].end_s else one

    def attributed(self, words: Sequence[Word]) -> list[Attributed]:
        """Return the words of a segment with their turns."""
        inside = [self._inside(word) for word in words]
        return [
            item
            if item.turn is not None
            else Attributed(item.word, self._near(item.word, inside, place), item.is_overlap)
            for place, item in enumerate(inside)
        ]

    def _inside(self, word: Word) -> Attributed:
        """Return a word with the turn in which most of it lies, if there is one."""
        first, last = bisect_left(self._reach_s, word.start_s), bisect_right(self._starts_s, word.end_s)
        shared = {
            number: overlap for number in range(first, last) if (overlap := _overlap_s(word, self.turns[number])) > 0
        }
        if not shared:
            return Attributed(word, None, is_overlap=False)
        best = max(shared, key=lambda number: (shared[number], -number))
        others = {self.turns[number].cluster for number in shared} - {self.turns[best].cluster}
        is_most = shared[best] >= (word.end_s - word.start_s) / 2
        return Attributed(word, best if is_most else None, is_overlap=bool(others))

    def _near(self, word: Word, inside: Sequence[Attributed], place: int) -> int | None:
        """Return the turn of the word's neighbours in the segment, or the nearest one."""
        before = next((item.turn for item in reversed(inside[:place]) if item.turn is not None), None)
        after = next((item.turn for item in inside[place + 1 :] if item.turn is not None), None)
        neighbours = [number for number in (before, after) if number is not None]
        last = bisect_right(self._starts_s, word.end_s)
        nearest = [*self._latest[last - 1 : last], *range(last, len(self.turns))[:1]]
        found = self._nearest(word, neighbours)
        return self._nearest(word, nearest) if found is None else found

    def _nearest(self, word: Word, numbers: Sequence[int]) -> int | None:
        distances_s = {number: -_overlap_s(word, self.turns[number]) for number in numbers}
        best = min(distances_s, key=lambda number: distances_s[number], default=None)
        return best if best is not None and distances_s[best] <= NEAREST_S else None


def attribute(segments: Iterable[Segment], turns: Sequence[Turn]) -> list[Segment]:
    """Return the segments, split where the speaker changes, with the names and scores of `turns`, in order of time.

    The turns are in order of their start and may overlap.
    """
    timeline = _Timeline(turns)
    made: list[Segment] = []
    for segment in segments:
        if not segment.words:
            made.append(segment)
            continue
        spoken = smooth(timeline.attributed(segment.words), turns)
        for _, group in groupby(spoken, key=lambda item: _speaker(item, turns)):
            made.append(_segment(segment, list(group), turns))
    return sorted(made, key=lambda segment: segment.start_s)


def _overlap_s(word: Word, turn: Turn) -> float:
    """Return for how long a turn covers a word; negative, how far it is away."""
    if word.end_s == word.start_s:  # a word without length lies in a turn or does not
        return 1e-6 if turn.start_s <= word.start_s <= turn.end_s else 0.0
    return min(word.end_s, turn.end_s) - max(word.start_s, turn.start_s)


def smooth(words: Sequence[Attributed], turns: Sequence[Turn]) -> list[Attributed]:
    """Return words with short flips undone: a run under the bound between two runs of one other speaker joins them."""
    runs = [list(group) for _, group in groupby(words, key=lambda item: _speaker(item, turns))]
    for before, run, after in zip(runs, runs[1:], runs[2:], strict=False):
        length_s = run[-1].word.end_s - run[0].word.start_s
        same = _speaker(before[-1], turns) == _speaker(after[0], turns) is not None
        if same and length_s < SHORTEST_FLIP_S:
            run[:] = [Attributed(item.word, before[-1].turn, item.is_overlap) for item in run]
    return [item for run in runs for item in run]


def _speaker(item: Attributed, turns: Sequence[Turn]) -> str | None:
    return None if item.turn is None else turns[item.turn].speaker


def _segment(segment: Segment, group: Sequence[Attributed], turns: Sequence[Turn]) -> Segment:
    scores = [score for item in group if item.turn is not None and (score := turns[item.turn].score) is not None]
    return segment.model_copy(
        update={
            "start_s": group[0].word.start_s,
            "end_s": max(item.word.end_s for item in group),
            "text": " ".join(item.word.text for item in group),
            "words": tuple(item.word for item in group),
            "speaker": _speaker(group[0], turns),
            "speaker_score": min(scores, default=None),
            "is_overlap": any(item.is_overlap for item in group),
        }
    )
