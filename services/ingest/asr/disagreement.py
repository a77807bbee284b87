"""Compares two texts of one recording, word by word: how many words differ, and where most of them do. Pure.

Upper case and punctuation do not count. The error is that of the second text against the first one, in the usual sense:
words that are replaced, left out and added, over the number of words of the first one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rapidfuzz.distance import Levenshtein

from ingest.shared import scripts
from ingest.shared.artifacts.transcript import INVENTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.shared.artifacts.transcript import Transcript, Word

APART = 2  # equal words between two differences that are one place


@dataclass(frozen=True)
class Place:
    """Where two texts differ: what each of them has there, and the number of words that differ."""

    start_s: float
    end_s: float
    expected: str
    found: str
    edits: int


@dataclass(frozen=True)
class Disagreement:
    """How many words of two texts differ, as a share of those of the first one, and where, the worst places first."""

    error: float
    words: int
    places: tuple[Place, ...]


def compare(expected: Sequence[Word], found: Sequence[Word]) -> Disagreement:
    """Return how a text differs from what is expected; the times are those of `found`, where it has words."""
    first, second = _tokens(expected), _tokens(found)
    codes = Levenshtein.opcodes([token for token, _ in first], [token for token, _ in second])
    groups: list[list[tuple[int, int, int, int]]] = []
    edits = 0
    for code in codes:
        if code.tag == "equal":
            continue
        place = (code.src_start, code.src_end, code.dest_start, code.dest_end)
        edits += max(code.src_end - code.src_start, code.dest_end - code.dest_start)
        if groups and place[0] - groups[-1][-1][1] <= APART:
            groups[-1].append(place)
        else:
            groups.append([place])
    places = sorted((_place(group, first, second) for group in groups), key=lambda one: -one.edits)
    return Disagreement(edits / max(1, len(first)), len(first), tuple(places))


def recognised(transcript: Transcript) -> list[Word]:
    """Return the words of a transcript that are part of its text."""
    return [word for segment in transcript.segments if INVENTED not in segment.flags for word in segment.words]


def _tokens(words: Iterable[Word]) -> list[tuple[str, Word]]:
    return [(token, word) for word in words for token in scripts.folded(word.text)]


def _place(
    group: Sequence[tuple[int, int, int, int]],
    first: Sequence[tuple[str, Word]],
    second: Sequence[tuple[str, Word]],
) -> Place:
    """Return a place by its parts: from and to in the first text, from and to in the second."""
    own, theirs = first[group[0][0] : group[-1][1]], second[group[0][2] : group[-1][3]]
    timed = theirs or second[max(0, group[0][2] - 1) : group[0][2]] or own
    return Place(
        start_s=timed[0][1].start_s if theirs or timed is own else timed[0][1].end_s,
        end_s=timed[-1][1].end_s,
        expected=" ".join(token for token, _ in own),
        found=" ".join(token for token, _ in theirs),
        edits=sum(max(to - start, end - begin) for start, to, begin, end in group),
    )
