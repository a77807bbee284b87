"""Compares the words of a citation with those that were heard again: each word counts, and when it is said. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ingest.shared import scripts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

OFF_S = 1.0  # by which the time of a citation may differ from the one that was heard
INSIDE_S = 0.05  # a word is within the seconds of a citation if it reaches over them by less


@dataclass(frozen=True)
class HeardWord:
    """A word that was recognised again."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Edit:
    """A word that is cited and not heard (`-`), or heard and not cited (`+`)."""

    kind: Literal["-", "+"]
    text: str


@dataclass(frozen=True)
class WordMatch:
    """Where the cited words are heard, and what differs there."""

    start_s: float
    end_s: float
    edits: tuple[Edit, ...]

    def is_at(self, from_s: float, to_s: float) -> bool:
        """Return whether that is the time of the citation."""
        return abs(self.start_s - from_s) <= OFF_S and abs(self.end_s - to_s) <= OFF_S


def compare(cited: str, heard: Sequence[HeardWord], near_s: float) -> WordMatch | None:
    """Return where the cited words are said with the fewest differences, and nearest to a time; None without words."""
    wanted = scripts.folded(cited)
    spoken = [(token, word) for word in heard for token in scripts.folded(word.text)]
    if not wanted or not spoken:
        return None
    table = _distances(wanted, [token for token, _ in spoken])
    fewest = min(table[-1])
    found = [_traced(table, wanted, spoken, end) for end, distance in enumerate(table[-1]) if distance == fewest]
    return min(found, key=lambda one: abs(one.start_s - near_s))


def with_ends(match: WordMatch, heard: Iterable[HeardWord], from_s: float, to_s: float) -> WordMatch:
    """Return a match with the words before and behind it that are said within the seconds of the citation.

    A citation of which the last word is left out says something else. At another time, there is nothing to compare.
    """
    if min(abs(match.start_s - from_s), abs(match.end_s - to_s)) > OFF_S:
        return match
    inside = [word for word in heard if word.start_s >= from_s - INSIDE_S and word.end_s <= to_s + INSIDE_S]
    before = [word.text for word in inside if word.end_s <= match.start_s]
    behind = [word.text for word in inside if word.start_s >= match.end_s]
    added = [[Edit("+", token) for text in texts for token in scripts.folded(text)] for texts in (before, behind)]
    return WordMatch(match.start_s, match.end_s, (*added[0], *match.edits, *added[1]))


def allowing(match: WordMatch, asides: Iterable[str]) -> WordMatch:
    """Return a match without the words that another speaker says in between, in passages of their own."""
    others = [token for text in asides for token in scripts.folded(text)]
    kept = []
    for edit in match.edits:
        if edit.kind == "+" and edit.text in others:
            others.remove(edit.text)
        else:
            kept.append(edit)
    return WordMatch(match.start_s, match.end_s, tuple(kept))


def _distances(wanted: Sequence[str], spoken: Sequence[str]) -> list[list[int]]:
    """Return the number of edits for each beginning of the wanted words that ends at each spoken one.

    The match may begin and end anywhere in what is spoken.
    """
    table = [[0] * (len(spoken) + 1)]
    for count, token in enumerate(wanted, 1):
        above, row = table[-1], [count]
        for at, other in enumerate(spoken, 1):
            same = above[at - 1] if token == other else above[at - 1] + 1
            row.append(min(same, above[at] + 1, row[-1] + 1))
        table.append(row)
    return table


def _traced(
    table: list[list[int]], wanted: Sequence[str], spoken: Sequence[tuple[str, HeardWord]], end: int
) -> WordMatch:
    """Return the match that ends before a spoken word."""
    edits: list[Edit] = []
    count, at = len(wanted), end
    while count:
        if at and wanted[count - 1] == spoken[at - 1][0] and table[count][at] == table[count - 1][at - 1]:
            count, at = count - 1, at - 1
        elif at and table[count][at] == table[count - 1][at - 1] + 1:
            edits += [Edit("+", spoken[at - 1][0]), Edit("-", wanted[count - 1])]
            count, at = count - 1, at - 1
        elif at and table[count][at] == table[count][at - 1] + 1:
            edits.append(Edit("+", spoken[at - 1][0]))
            at -= 1
        else:
            edits.append(Edit("-", wanted[count - 1]))
            count -= 1
    inside = [word for _, word in spoken[at:end]] or [spoken[min(at, len(spoken) - 1)][1]]
    return WordMatch(inside[0].start_s, inside[-1].end_s, tuple(reversed(edits)))
