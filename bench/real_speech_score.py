"""Scores of a transcript against its text: words that differ, and where. Pure.

Words are compared without case, marks, accents' encoding and hyphens; Chinese and Japanese by letters.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jiwer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.asr.spans import Span

ELISION = ("fr", "it", "ca")  # l'albero is two words
LETTERS = ("ja", "zh")
PAUSE_S = 0.5  # before a turn whose start is compared: speech that goes on has no start
NEAR_S = 1.0


@dataclass(frozen=True)
class Difference:
    """A part of a transcript: `kind` is equal, substitute, insert or delete."""

    kind: str
    said: tuple[str, ...]
    written: tuple[str, ...]


def words(text: str, language: str) -> list[str]:
    """Return the words of a text as they are compared."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'").replace("œ", "oe").replace("æ", "ae")
    plain = plain.replace("'", " " if language in ELISION else "").replace("-", " ").replace("ё", "\u0435")
    plain = "".join(letter if unicodedata.category(letter)[0] in "LNM" else " " for letter in plain)
    return [letter for letter in plain if letter != " "] if language in LETTERS else plain.split()


def differences(said: Sequence[str], written: Sequence[str]) -> list[Difference]:
    """Return the alignment of two lists of words with the fewest differences."""
    if not said:
        return [Difference("insert", (), tuple(written))] if written else []
    aligned = jiwer.process_words(" ".join(said), " ".join(written)).alignments[0]
    return [
        Difference(
            one.type,
            tuple(said[one.ref_start_idx : one.ref_end_idx]),
            tuple(written[one.hyp_start_idx : one.hyp_end_idx]),
        )
        for one in aligned
    ]


def errors(said: Sequence[str], written: Sequence[str], *, inside: bool = False) -> int:
    """Return the least number of words to change; with `inside`, words before the first and after the last are free."""
    costs = [0] * (len(written) + 1) if inside else list(range(len(written) + 1))
    for number, word in enumerate(said, 1):
        before, costs = costs, [number]
        for at, found in enumerate(written):
            costs.append(min(before[at] + (word != found), before[at + 1] + 1, costs[at] + 1))
    return min(costs) if inside else costs[-1]


def interval(wrong: int, total: int) -> tuple[float, float]:
    """Return Wilson's interval (95 %) of a share."""
    if not total:
        return 0.0, 1.0
    z, share = 1.96, min(1.0, wrong / total)
    middle = share + z * z / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, (middle - half) / (1 + z * z / total)), (middle + half) / (1 + z * z / total)


def start_errors(turns: Sequence[Span], starts: Sequence[float]) -> list[float]:
    """Return by how many seconds the first word of each turn behind a pause comes late; negative: early."""
    found, end_s = [], -math.inf
    for turn in sorted(turns, key=lambda one: one.start_s):
        if turn.start_s - end_s >= PAUSE_S:
            near = [start - turn.start_s for start in starts if abs(start - turn.start_s) <= NEAR_S]
            found += [min(near, key=abs)] if near else []
        end_s = max(end_s, turn.end_s)
    return found
