"""How much texts sound alike, as far as their letters say it. Pure.

Texts are compared by pairs of neighbouring letters, without what recognizers write at will: blanks, case, accents,
doubled letters, `h`, and different letters of one sound.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.shared import scripts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LEAST = 0.5  # of two texts that may be the same word
MORE_WORDS = 2  # that a recognizer may make of a text
SHORTEST = 3  # letters; less is like everything
_SAME_SOUND = str.maketrans({"c": "k", "q": "k", "z": "s", "y": "i", "j": "i", "w": "v", "h": ""})
_REPEATED = re.compile(r"(.)\1+")


@dataclass(frozen=True)
class Sound:
    """The letters of a text as they are compared, and their pairs; `^` and `$` are its ends."""

    letters: str
    pairs: frozenset[str]


def sound_of(text: str) -> Sound:
    """Return what a text is compared by."""
    plain = unicodedata.normalize("NFKD", text).casefold().replace("ph", "f")
    letters = "".join(letter for letter in plain if letter.isalnum()).translate(_SAME_SOUND)
    letters = _REPEATED.sub(r"\1", letters)
    framed = f"^{letters}$"
    return Sound(letters, frozenset(framed[at : at + 2] for at in range(len(framed) - 1)) if letters else frozenset())


def likeness(one: Sound, other: Sound) -> float:
    """Return how much two texts sound alike, from 0 to 1."""
    total = len(one.pairs) + len(other.pairs)
    return 2 * len(one.pairs & other.pairs) / total if total else 0.0


def spelling(text: str) -> str:
    """Return a text without case, marks and blanks."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter for letter in folded if letter.isalnum())


@dataclass(frozen=True)
class Phrase:
    """A text of a vocabulary: one or several words. `longest` is how many a recognizer may make of it."""

    text: str
    spelling: str
    sound: Sound
    longest: int

    def is_in(self, words: Sequence[str]) -> bool:
        """Return whether words are this text, apart from case and marks."""
        spelled = [spelling(word) for word in words]
        return "".join(spelled) == self.spelling and (_is_unspaced(self.text) or len(spelled) == len(self.text.split()))


def phrase_of(text: str) -> Phrase:
    """Return a text of a vocabulary as it is looked for."""
    written = spelling(text)
    longest = (len(written) if _is_unspaced(text) else len(text.split())) + MORE_WORDS
    return Phrase(text, written, sound_of(text), longest)


def _is_unspaced(text: str) -> bool:
    return re.search(f"[{scripts.UNSPACED}]", text) is not None


@dataclass(frozen=True)
class _Group:
    """Consecutive words, from `first` to before `end`."""

    first: int
    end: int
    spelling: str
    sound: Sound


class Phrases:
    """The texts of a vocabulary, found by what sounds like them."""

    def __init__(self, texts: Iterable[str]) -> None:
        made = (phrase_of(text) for text in dict.fromkeys(texts))
        self.all = tuple(phrase for phrase in made if len(phrase.sound.letters) >= SHORTEST)
        self._by_pair: defaultdict[str, list[int]] = defaultdict(list)
        for number, phrase in enumerate(self.all):
            for pair in phrase.sound.pairs:
                self._by_pair[pair].append(number)
        self._by_spelling: defaultdict[str, list[int]] = defaultdict(list)
        for number, phrase in enumerate(self.all):
            self._by_spelling[phrase.spelling].append(number)
        self._longest = max((phrase.longest for phrase in self.all), default=0)

    def like(self, words: Sequence[str]) -> list[Phrase]:
        """Return the phrases like which some consecutive words sound, but which they are not; the most alike first."""
        best, there = dict[int, float](), defaultdict[int, set[int]](set)
        groups = list(self._groups(words))
        for group in groups:
            for number in self._by_spelling.get(group.spelling, ()):
                if self.all[number].is_in(words[group.first : group.end]):
                    there[number].update(range(group.first, group.end))
        for group in groups:
            for number, alike in self._of_group(group):
                if there[number].isdisjoint(range(group.first, group.end)):
                    best[number] = max(alike, best.get(number, 0.0))
        return [self.all[number] for number in sorted(best, key=lambda number: (-best[number], number))]

    def _groups(self, words: Sequence[str]) -> Iterator[_Group]:
        for first in range(len(words)):
            for end in range(first + 1, min(first + self._longest, len(words)) + 1):
                text = "".join(words[first:end])
                yield _Group(first, end, spelling(text), sound_of(text))

    def _of_group(self, group: _Group) -> Iterator[tuple[int, float]]:
        shared = Counter(number for pair in group.sound.pairs for number in self._by_pair.get(pair, ()))
        for number, count in shared.items():
            phrase = self.all[number]
            alike = 2 * count / (len(group.sound.pairs) + len(phrase.sound.pairs))
            if alike >= LEAST and group.end - group.first <= phrase.longest:
                yield number, alike
