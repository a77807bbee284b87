"""Finds in recognised words the place that a correction is about. Pure.

The words may come from another run, with other words and other times. A place is one of:

    expected   the words that the correction replaces
    right      the words that it puts in: this run recognised them
    similar    other words at that time, between the same neighbours, which are like either of them

The more of the neighbours are the same, the further away in time, and the less similar, a place may be. A short word
without the same neighbours has to be where it was. No place is better than a wrong one: then a person has to look.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from ingest.shared import scripts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.embedder.corrections.said import SpokenWord

Kind = Literal["expected", "right", "similar"]

WINDOW_S = 10.0
LONG_TEXT = 5  # letters: a longer one is rarely found at a place by chance
EXACT_S = (0.5, 1.5, 4.0)  # without, with one, and with both of the neighbours: how far away the same words may be
LONG_EXACT_S = 1.0  # a long text without neighbours
SIMILAR_S = (0.5, 1.0, 2.0)
LEAST_SIMILARITY = (0.8, 0.6, 0.3)
NEIGHBOUR_S = 0.4  # what a neighbour counts for, where several places are possible
_LETTERS = re.compile(r"\W+")


@dataclass(frozen=True)
class WordCorrection:
    """What a person has said is right: at this time, instead of the expected words, between these neighbours."""

    id: int
    start_s: float
    end_s: float
    expected: str
    replacement: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Place:
    """Consecutive words: from `first` to before `end`; the replaced text stands between `head` and `tail`."""

    first: int
    end: int
    kind: Kind
    head: str = ""
    tail: str = ""

    def covers(self, other: Place) -> bool:
        """Return whether all words of another place are in this one."""
        return self.first <= other.first and other.end <= self.end


def pattern(text: str, *, exact_case: bool) -> re.Pattern[str]:
    """Return what finds a text as whole words, with any blanks between them."""
    blanks = r"\s*" if re.search(f"[{scripts.UNSPACED}]", text) else r"\s+"
    words = blanks.join(re.escape(part) for part in text.split())
    start = rf"(?<!\w)(?={_SPACED_LETTER})" if re.match(_SPACED_LETTER, text.strip()) else ""
    end = rf"(?<={_SPACED_LETTER})(?!\w)" if re.search(f"{_SPACED_LETTER}$", text.strip()) else ""
    return re.compile(start + words + end, re.NOFLAG if exact_case else re.IGNORECASE)


_SPACED_LETTER = rf"[^\W{scripts.UNSPACED}]"


def only_case_differs(expected: str, replacement: str) -> bool:
    """Return whether two texts have the same letters: then the case of the expected one counts."""
    return expected.casefold() == replacement.casefold()


def occurrences(words: Sequence[SpokenWord], text: str, kind: Kind, *, exact_case: bool) -> Iterator[Place]:
    """Yield the places at which consecutive words have a text, from left to right."""
    joined, starts, ends = "", [], []
    for number, one in enumerate(words):
        joined += one.word.before if number else ""
        starts.append(len(joined))
        joined += one.word.text
        ends.append(len(joined))
    for found in pattern(text, exact_case=exact_case).finditer(joined):
        first, last = bisect_left(ends, found.start() + 1), bisect_left(ends, found.end())
        yield Place(first, last + 1, kind, joined[starts[first] : found.start()], joined[found.end() : ends[last]])


def find(words: Sequence[SpokenWord], one: WordCorrection) -> Place | None:
    """Return the place that a correction is about; None where no place is sure."""
    return _Finder(words, one).found()


def neighbours(words: Sequence[SpokenWord], place: Place) -> tuple[str, str]:
    """Return the word before a place and the word after it; empty at an end of the recording."""
    before = words[place.first - 1].word.text if place.first > 0 else ""
    after = words[place.end].word.text if place.end < len(words) else ""
    return before, after


def middle_s(words: Sequence[SpokenWord], place: Place) -> float:
    """Return the time in the middle of a place."""
    return (words[place.first].word.start_s + words[place.end - 1].word.end_s) / 2


def around(words: Sequence[SpokenWord], start_s: float, end_s: float) -> tuple[int, int]:
    """Return the indexes of the words in a time span, the last one excluded."""
    return (
        bisect_left(words, start_s, key=lambda one: one.word.start_s),
        bisect_left(words, end_s, key=lambda one: one.word.start_s),
    )


def letters(text: str) -> str:
    """Return a text without what recognizers write differently: case, marks and blanks."""
    return _LETTERS.sub("", text).casefold()


@dataclass(frozen=True)
class _Finder:
    words: Sequence[SpokenWord]
    one: WordCorrection

    def found(self) -> Place | None:
        """Return the best of the sure places."""
        places = [place for place in (*self._exact(), *self._similar()) if self._is_sure(place)]
        return min(places, key=self._cost, default=None)

    @cached_property
    def _window(self) -> tuple[int, int]:
        return around(self.words, self.one.start_s - WINDOW_S, self.one.end_s + WINDOW_S)

    def _exact(self) -> list[Place]:
        """Return the places with the expected or the right words; of two of which one is in the other, the longer."""
        first, end = self._window
        window = self.words[first:end]
        exact_case = only_case_differs(self.one.expected, self.one.replacement)
        texts: tuple[tuple[Kind, str], ...] = (("right", self.one.replacement), ("expected", self.one.expected))
        found = [
            Place(place.first + first, place.end + first, kind, place.head, place.tail)
            for kind, text in texts
            for place in occurrences(window, text, kind, exact_case=exact_case)
            if kind == "expected" or all(word.correction is None for word in window[place.first : place.end])
        ]
        return [
            place
            for place in found
            if not any(other != place and other.covers(place) and not place.covers(other) for other in found)
        ]

    def _similar(self) -> Iterator[Place]:
        """Yield whole words near the time that no correction has changed yet."""
        first, end = around(self.words, self.one.start_s - SIMILAR_S[2], self.one.end_s + SIMILAR_S[2])
        longest = len(self.one.expected.split()) + 2
        if re.search(f"[{scripts.UNSPACED}]", self.one.expected):
            longest = len(self.one.expected) + 2
        for start in range(first, end):
            for stop in range(start + 1, min(start + longest, end) + 1):
                if self.words[stop - 1].correction is not None:
                    break
                yield Place(start, stop, "similar")

    def _same_neighbours(self, place: Place) -> int:
        pairs = zip(neighbours(self.words, place), (self.one.before, self.one.after), strict=True)
        return sum(letters(now) == letters(then) for now, then in pairs)

    def _distance_s(self, place: Place) -> float:
        return abs(middle_s(self.words, place) - (self.one.start_s + self.one.end_s) / 2)

    def _is_sure(self, place: Place) -> bool:
        distance_s, same = self._distance_s(place), self._same_neighbours(place)
        is_long = len(letters(self.one.expected)) >= LONG_TEXT
        if place.kind == "similar":
            if distance_s > SIMILAR_S[same] or (same == 0 and not is_long):
                return False
            return self._similarity(place) >= LEAST_SIMILARITY[same]
        return distance_s <= (LONG_EXACT_S if same == 0 and is_long else EXACT_S[same])

    def _similarity(self, place: Place) -> float:
        heard = letters("".join(one.word.text for one in self.words[place.first : place.end]))
        meant = (letters(self.one.expected), letters(self.one.replacement))
        return max(SequenceMatcher(None, heard, text, autojunk=False).ratio() for text in meant)

    def _cost(self, place: Place) -> tuple[float, int]:
        """Return how far a place is from what is looked for, in seconds; a similar one is further than the same."""
        unlike = 2 * (1 - self._similarity(place)) + NEIGHBOUR_S if place.kind == "similar" else 0.0
        return self._distance_s(place) + unlike - NEIGHBOUR_S * self._same_neighbours(place), place.first
