"""Replaces misspellings that the vocabulary names, wherever they are recognised. The transcript stays as it is. Pure.

What people have corrected in a recording comes after it, and beats it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.embedder.corrections import places, said
from ingest.shared.artifacts.transcript import join

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.embedder.corrections.places import Place
    from ingest.embedder.corrections.said import SpokenWord
    from ingest.shared.artifacts.transcript import Segment


@dataclass(frozen=True)
class Replacement:
    """A misspelling, and how an entry of the vocabulary (`entry`) writes it."""

    entry: int
    heard: str
    text: str


@dataclass(frozen=True)
class Respelling:
    """A place at which a replacement was made."""

    entry: int
    at_s: float
    heard: str
    text: str


@dataclass(frozen=True)
class RespeltText:
    """Segments with the replacements, and the places of these."""

    segments: tuple[Segment, ...]
    places: tuple[Respelling, ...] = ()


def apply(segments: Iterable[Segment], replacements: Sequence[Replacement]) -> RespeltText:
    """Return segments with what the vocabulary replaces in them, the longest misspelling first."""
    before = tuple(segments)
    if not replacements:
        return RespeltText(before)
    words, done = said.words_of(before), list[Respelling]()
    for one in sorted(replacements, key=lambda one: (-len(one.heard), one.entry)):
        for place in reversed(wrong_places(words, one.heard, one.text)):
            old = words[place.first : place.end]
            if all(word.correction is None for word in old):
                done.append(Respelling(one.entry, old[0].word.start_s, join(word.word for word in old), one.text))
                words[place.first : place.end] = said.replaced(old, place.head + one.text + place.tail, one.entry)
    in_order = tuple(sorted(done, key=lambda one: one.at_s))
    return RespeltText(tuple(said.segments_of(before, words)), in_order)


def wrong_places(words: Sequence[SpokenWord], expected: str, replacement: str) -> list[Place]:
    """Return where a text is said, and is not part of its replacement already."""
    exact_case = places.only_case_differs(expected, replacement)
    right = list(places.occurrences(words, replacement, "right", exact_case=exact_case))
    found = places.occurrences(words, expected, "expected", exact_case=exact_case)
    return [
        place for place in found if not any(one.covers(place) and len(replacement) > len(expected) for one in right)
    ]
