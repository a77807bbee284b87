"""Joins words with turns: assigns a speaker to each word and splits segments where the speaker changes. Pure.

A word belongs to the turn that it overlaps most. If less than half of the word lies in that turn, the word joins the
turn of its neighbours in the segment, or else the nearest turn. Both must be within NEAREST_S; otherwise the word has
no speaker. A change of speaker for less than SHORTEST_FLIP_S between two parts of one speaker is smoothed away. No word
is dropped.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import TYPE_CHECKING

from ingest.shared.artifacts.transcript import join

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.shared.artifacts.transcript import Segment, Turn, Word

NEAREST_S = 0.8
SHORTEST_FLIP_S = 0.6


@dataclass(frozen=True)
class WordAttribution:
    """A word, the number of its turn (None without a turn nearby), and whether others speak at the same time."""

    word: Word
    turn: int | None
    is_overlap: bool


class _Timeline:
    """Turns ordered by their start, for fast look-ups of the turns around a word."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self.turns = turns
        self._starts_s = [turn.start_s for turn in turns]
        self._latest = list(accumulate(range(len(turns)), self._later))  # of the turns so far, the one that ends last
        self._reach_s = [turns[number].end_s for number in self._latest]

    def _later(self, one: int, other: int) -> int:
        return other if self.turns[other].end_s > self.turns[one].end_s else one

    def attribute(self, words: Sequence[Word]) -> list[WordAttribution]:
        """Return the words of a segment with their turns."""
        inside = [self._inside(word) for word in words]
        return [
            item
            if item.turn is not None
            else WordAttribution(item.word, self._near(item.word, inside, place), item.is_overlap)
            for place, item in enumerate(inside)
        ]

    def _inside(self, word: Word) -> WordAttribution:
        """Return a word with the turn that holds most of it, if there is one."""
        first, last = bisect_left(self._reach_s, word.start_s), bisect_right(self._starts_s, word.end_s)
        shared = {
            number: overlap for number in range(first, last) if (overlap := _overlap_s(word, self.turns[number])) > 0
        }
        if not shared:
            return WordAttribution(word, None, is_overlap=False)
        best = max(shared, key=lambda number: (shared[number], -number))
        others = {self.turns[number].cluster for number in shared} - {self.turns[best].cluster}
        is_most = shared[best] >= (word.end_s - word.start_s) / 2
        return WordAttribution(word, best if is_most else None, is_overlap=bool(others))

    def _near(self, word: Word, inside: Sequence[WordAttribution], place: int) -> int | None:
        """Return the turn of the word's neighbours in the segment, or the nearest turn."""
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
    """Return the segments in order, split where the speaker changes, with the names and scores of `turns`.

    The turns are ordered by their start and may overlap.
    """
    timeline = _Timeline(turns)
    found: list[Segment] = []
    for segment in segments:
        if not segment.words:
            found.append(segment)
            continue
        attributed = smooth(timeline.attribute(segment.words), turns)
        for _, group in groupby(attributed, key=lambda item: _speaker(item, turns)):
            found.append(_segment(segment, list(group), turns))
    return sorted(found, key=lambda segment: segment.start_s)


def _overlap_s(word: Word, turn: Turn) -> float:
    """Return how many seconds a turn overlaps a word; a negative number is their distance."""
    if word.end_s == word.start_s:  # a word without length is inside a turn or outside
        return 1e-6 if turn.start_s <= word.start_s <= turn.end_s else 0.0
    return min(word.end_s, turn.end_s) - max(word.start_s, turn.start_s)


def smooth(words: Sequence[WordAttribution], turns: Sequence[Turn]) -> list[WordAttribution]:
    """Return words without short flips: a run under SHORTEST_FLIP_S between two runs of one speaker joins them."""
    runs = [list(group) for _, group in groupby(words, key=lambda item: _speaker(item, turns))]
    for before, run, after in zip(runs, runs[1:], runs[2:], strict=False):
        length_s = run[-1].word.end_s - run[0].word.start_s
        same = _speaker(before[-1], turns) == _speaker(after[0], turns) is not None
        if same and length_s < SHORTEST_FLIP_S:
            run[:] = [WordAttribution(item.word, before[-1].turn, item.is_overlap) for item in run]
    return [item for run in runs for item in run]


def _speaker(item: WordAttribution, turns: Sequence[Turn]) -> str | None:
    return None if item.turn is None else turns[item.turn].speaker


def _segment(segment: Segment, group: Sequence[WordAttribution], turns: Sequence[Turn]) -> Segment:
    scores = [score for item in group if item.turn is not None and (score := turns[item.turn].score) is not None]
    return segment.model_copy(
        update={
            "start_s": group[0].word.start_s,
            "end_s": max(item.word.end_s for item in group),
            "text": join(item.word for item in group),
            "words": tuple(item.word for item in group),
            "speaker": _speaker(group[0], turns),
            "speaker_score": min(scores, default=None),
            "is_overlap": any(item.is_overlap for item in group),
        }
    )
