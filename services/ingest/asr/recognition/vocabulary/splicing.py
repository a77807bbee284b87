"""Puts words of a vocabulary into a reading, where it has something that sounds like them. Pure.

A chunk is read twice: without a prompt, and with the words of the vocabulary that it may contain. A prompt can make a
recognizer write words that are not said. So the first reading stays, and a word of the vocabulary is put into it only
where the second one has the word, the first one has something like it at the same place, and the word is not much less
probable there than what the first one has. (Probabilities of words are those that they have without the prompt, in both
readings.) Other words of the vocabulary in the second reading are refused, and reported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from ingest.asr.recognition.vocabulary.likeness import LEAST, likeness, sound_of, spelling

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.asr.recognition.vocabulary.likeness import Phrase
    from ingest.asr.recognition.whisper import ChunkTranscript, ChunkWord

LEAST_SHARE = 0.2  # of the probability of what is replaced
_MARKS = re.compile(r"^(\W*)(.*?)(\W*)$", re.DOTALL)


@dataclass(frozen=True)
class Splice:
    """A text of the vocabulary that the second reading has, and what the first one has there.

    Times are seconds from the start of the chunk. If it is not taken, the first reading stays.
    """

    start_s: float
    end_s: float
    text: str
    instead_of: str
    is_taken: bool


@dataclass(frozen=True)
class _Span:
    first: int
    end: int


def splice(
    first: ChunkTranscript, second: ChunkTranscript, phrases: Sequence[Phrase]
) -> tuple[ChunkTranscript, list[Splice]]:
    """Return the first reading of a chunk with words of the vocabulary that the second one has, and what was done."""
    words, done = list(first.words), list[Splice]()
    blocks = _blocks(first.words, second.words)
    taken_from = len(words)
    for phrase, place in reversed(list(_occurrences(second.words, phrases))):
        lower, upper = _between(blocks, place, len(first.words))
        upper = min(upper, taken_from)
        if _is_there(first.words[lower:upper], phrase):
            continue
        found = _most_alike(first.words, _Span(lower, upper), phrase)
        new = second.words[place.first : place.end]
        old = first.words[found.first : found.end] if found is not None else first.words[lower:upper]
        if found is None or _probability(new) < LEAST_SHARE * _probability(old):
            done.append(Splice(new[0].start_s, new[-1].end_s, phrase.text, _text(old), is_taken=False))
            continue
        done.append(Splice(old[0].start_s, old[-1].end_s, phrase.text, _text(old), is_taken=True))
        words[found.first : found.end] = _written(phrase.text, old, new)
        taken_from = found.first
    return replace(first, words=tuple(words), text=_text(words)), done[::-1]


def _text(words: Sequence[ChunkWord]) -> str:
    return "".join(word.text for word in words).strip()


def _is_there(words: Sequence[ChunkWord], phrase: Phrase) -> bool:
    return any(
        phrase.is_in([word.text for word in words[first:end]])
        for first in range(len(words))
        for end in range(first + 1, min(first + phrase.longest, len(words)) + 1)
    )


def _probability(words: Sequence[ChunkWord]) -> float:
    return sum(word.probability for word in words) / max(1, len(words))


def _blocks(first: Sequence[ChunkWord], second: Sequence[ChunkWord]) -> list[tuple[int, int]]:
    """Return the pairs of words that two readings have in common, in order."""
    ours, theirs = ([spelling(word.text) for word in one] for one in (first, second))
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    return [(block.a + at, block.b + at) for block in matcher.get_matching_blocks() for at in range(block.size)]


def _between(blocks: Sequence[tuple[int, int]], place: _Span, length: int) -> tuple[int, int]:
    """Return where the first reading has what is at a place of the second: between the common words around it."""
    lower = max((one + 1 for one, other in blocks if other < place.first), default=0)
    upper = min((one for one, other in blocks if other >= place.end), default=length)
    return lower, max(lower, upper)


def _occurrences(words: Sequence[ChunkWord], phrases: Sequence[Phrase]) -> Iterator[tuple[Phrase, _Span]]:
    """Yield the places of phrases in a reading, from left to right; the longest phrase first at each."""
    ordered = sorted(phrases, key=lambda phrase: -len(phrase.spelling))
    at = 0
    while at < len(words):
        found = next(((one, end) for one in ordered if (end := _end(words, at, one)) is not None), None)
        if found is None:
            at += 1
            continue
        phrase, end = found
        yield phrase, _Span(at, end)
        at = end


def _end(words: Sequence[ChunkWord], first: int, phrase: Phrase) -> int | None:
    """Return the index after the words, from `first`, that are a phrase; None where they are not."""
    text = ""
    for end in range(first + 1, min(first + phrase.longest, len(words)) + 1):
        text += spelling(words[end - 1].text)
        if text == phrase.spelling:
            return end
    return None


def _most_alike(words: Sequence[ChunkWord], region: _Span, phrase: Phrase) -> _Span | None:
    """Return the words of a region that sound most like a phrase; None where none do."""
    spans = [
        _Span(start, end)
        for start in range(region.first, region.end)
        for end in range(start + 1, min(start + phrase.longest, region.end) + 1)
    ]
    scored = [
        (likeness(sound_of(_text(words[one.first : one.end])), phrase.sound), one.first - one.end, one) for one in spans
    ]
    best = max(scored, key=lambda one: one[:2], default=None)
    return best[2] if best is not None and best[0] >= LEAST else None


def _written(text: str, old: Sequence[ChunkWord], new: Sequence[ChunkWord]) -> list[ChunkWord]:
    """Return the words of a text at the time of the old words, with the marks around these."""
    parts = text.split()
    before, after = _marks(old[0].text)[0], _marks(old[-1].text)[1]
    probability = _probability(new)
    start_s, length_s = old[0].start_s, old[-1].end_s - old[0].start_s
    total, done = sum(map(len, parts)), 0
    made = []
    for number, part in enumerate(parts):
        shown = (before if number == 0 else " ") + part + (after if number == len(parts) - 1 else "")
        begin_s, done = start_s + length_s * done / total, done + len(part)
        made.append(replace(new[0], start_s=begin_s, end_s=start_s + length_s * done / total, text=shown))
    return [replace(word, probability=probability) for word in made]


def _marks(text: str) -> tuple[str, str]:
    found = _MARKS.match(text)
    return (found[1], found[3]) if found else ("", "")
