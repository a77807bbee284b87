"""Applies the corrections of words to the segments of a transcript. The transcript itself stays as it is. Pure.

Corrections are applied in the order in which they were made: one may correct the result of another. One whose place is
not found changes nothing, and needs a look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ingest.embedder.corrections import places, said
from ingest.shared.artifacts.transcript import join

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.embedder.corrections.places import Place, WordCorrection
    from ingest.embedder.corrections.said import SpokenWord
    from ingest.shared.artifacts.transcript import Segment

State = Literal["placed", "right", "needs a look"]
SHOWN_S = 1.0  # around the place of a correction that needs a look


@dataclass(frozen=True)
class Outcome:
    """What became of a correction: placed, right already, or a person has to look; `found` is what is there."""

    correction: int
    state: State
    at_s: float
    found: str


@dataclass(frozen=True)
class CorrectedText:
    """Segments with their corrections, and what became of each correction."""

    segments: tuple[Segment, ...]
    outcomes: tuple[Outcome, ...] = ()


def apply(segments: Iterable[Segment], corrections: Iterable[WordCorrection]) -> CorrectedText:
    """Return segments with corrections."""
    before = tuple(segments)
    wanted = sorted(corrections, key=lambda one: one.id)
    if not wanted:
        return CorrectedText(before)
    words = said.words_of(before)
    outcomes = tuple(_put(words, one) for one in wanted)
    return CorrectedText(tuple(said.segments_of(before, words)), outcomes)


def _put(words: list[SpokenWord], one: WordCorrection) -> Outcome:
    """Put a correction into the words, and return what became of it."""
    place = places.find(words, one)
    if place is None:
        first, end = places.around(words, one.start_s - SHOWN_S, one.end_s + SHOWN_S)
        return Outcome(one.id, "needs a look", one.start_s, shown(words[first:end]))
    old = words[place.first : place.end]
    if place.kind == "right":
        words[place.first : place.end] = [said.SpokenWord(item.word, item.segment, one.id) for item in old]
        return Outcome(one.id, "right", old[0].word.start_s, shown(old))
    words[place.first : place.end] = said.replaced(old, _text(old, place, one.replacement), one.id)
    return Outcome(one.id, "placed", old[0].word.start_s, shown(old))


def _text(old: Sequence[SpokenWord], place: Place, replacement: str) -> str:
    """Return the new text with what stood around the old one in its words; similar words keep their last marks."""
    if place.kind == "expected":
        return place.head + replacement + place.tail
    last = old[-1].word.text
    marks = last[len(last.rstrip(".,;:!?…。，？！")) :]  # noqa: RUF001 (the marks of other scripts)
    return replacement if not marks or replacement.endswith(tuple(marks)) else replacement + marks


def shown(words: Iterable[SpokenWord]) -> str:
    """Return the text of words."""
    return join(one.word for one in words)
