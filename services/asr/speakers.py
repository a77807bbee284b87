"""Words meet turns: who said each word, and segments that are split where the speaker changes. Pure.

A word belongs to the turn that it overlaps most; a word in no turn to the nearest one within a bound, or to nobody. A
speaker change of a few words between two parts of the same speaker, shorter than a bound, is taken for a slip of the
diarization and smoothed away. Nothing that was said is dropped.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from services.shared.transcript import Segment, Turn, Word

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

    def attributed(self, word: Word) -> Attributed:
        first, last = bisect_left(self._reach_s, word.start_s), bisect_right(self._starts_s, word.end_s)
        shared = {
            number: overlap for number in range(first, last) if (overlap := _overlap_s(word, self.turns[number])) > 0
        }
        if not shared:
            return Attributed(word, self._nearest(word, last), is_overlap=False)
        best = max(shared, key=lambda number: (shared[number], -number))
        others = {self.turns[number].cluster for number in shared} - {self.turns[best].cluster}
        return Attributed(word, best, is_overlap=bool(others))

    def _nearest(self, word: Word, last: int) -> int | None:
        before, after = self._latest[last - 1 : last], range(last, len(self.turns))[:1]
        distances_s = {number: word.start_s - self.turns[number].end_s for number in before}
        distances_s |= {number: self.turns[number].start_s - word.end_s for number in after}
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
        spoken = smooth([timeline.attributed(word) for word in segment.words], turns)
        for _, group in groupby(spoken, key=lambda item: _speaker(item, turns)):
            made.append(_segment(segment, list(group), turns))
    return sorted(made, key=lambda segment: segment.start_s)


def _overlap_s(word: Word, turn: Turn) -> float:
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
