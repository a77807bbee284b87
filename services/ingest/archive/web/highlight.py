"""Marks the words of a question, and the best sentence, in the text of a passage. Pure."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.embedder.search import wording
from ingest.shared import scripts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WORD = re.compile(r"\w+")
LEAST_STEM = 4
LONGEST_ENDING = 3  # as in harbor, harbors; mending, mend


@dataclass(frozen=True)
class Piece:
    """A piece of a text: in the best sentence or not, and a word of the question or not."""

    text: str
    is_best: bool
    is_word: bool


def words_of(question: str) -> list[str]:
    """Return the words of a question, without those that are left out."""
    kept = [part[0] for part in wording.PART.finditer(question) if not part["dash"] and part[0].upper() != wording.OR]
    return list(dict.fromkeys(word.casefold() for word in WORD.findall(" ".join(kept))))


def pieces(text: str, sentence: str, words: Sequence[str]) -> list[Piece]:
    """Return a text in pieces, which together are the text."""
    begin = text.find(sentence) if sentence else -1
    end = begin + len(sentence) if begin >= 0 else begin
    found = []
    for start, stop, is_word in _spans(text, words):
        for first, last in _cut(start, stop, (begin, end)):
            found.append(Piece(text[first:last], begin <= first < end, is_word))
    return found


def _spans(text: str, words: Sequence[str]) -> Iterator[tuple[int, int, bool]]:
    """Yield the spans of a text, in order: its words that are in a question, and what is between them."""
    at = 0
    for found in WORD.finditer(text):
        for start, stop in _matches(found, words):
            if start > at:
                yield at, start, False
            yield start, stop, True
            at = stop
    if at < len(text):
        yield at, len(text), False


def _matches(found: re.Match[str], words: Sequence[str]) -> list[tuple[int, int]]:
    """Return where a word of the text has words of the question: whole, or letters of a run without blanks."""
    spoken = found[0].casefold()
    if any(_is_same(spoken, word) for word in words):
        return [found.span()]
    if len(spoken) != len(found[0]) or scripts.length(spoken) == len(spoken):
        return []
    inner = re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))) or r"(?!)")
    return [(found.start() + part.start(), found.start() + part.end()) for part in inner.finditer(spoken)]


def _is_same(one: str, other: str) -> bool:
    """Return whether two words are the same, or differ in their endings only."""
    short, long = sorted((one, other), key=len)
    if short == long:
        return True
    stem = max(LEAST_STEM, len(short) - LONGEST_ENDING)
    return len(short) >= LEAST_STEM and len(long) - stem <= LONGEST_ENDING and long.startswith(short[:stem])


def _cut(start: int, stop: int, at: tuple[int, int]) -> Iterator[tuple[int, int]]:
    edges = [start, *(edge for edge in at if start < edge < stop), stop]
    yield from itertools.pairwise(edges)
