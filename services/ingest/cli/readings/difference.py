"""Compares two readings of a recording: the words that differ, when equal words begin, and who says them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from ingest.shared import scripts
from ingest.shared.artifacts.transcript import INVENTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.shared.artifacts.transcript import Segment

MOST_SPANS = 5


@dataclass(frozen=True)
class ReadWord:
    """A word of a reading, without case and marks."""

    token: str
    text: str
    start_s: float
    speaker: str | None


@dataclass(frozen=True)
class DifferentSpan:
    """A place where two readings have different words."""

    at_s: float
    present: str
    other: str


@dataclass(frozen=True)
class ReadingDifference:
    """How two readings differ.

    `differing` words have to be changed, left out or put in. `off_s` are the differences of the starts of equal words,
    `same_speaker` counts those with the same speaker, among `with_speaker` that have one in both readings. `spans` are
    the longest differences.
    """

    present_words: int
    other_words: int
    differing: int
    off_s: tuple[float, ...]
    same_speaker: int
    with_speaker: int
    spans: tuple[DifferentSpan, ...]

    @property
    def share(self) -> float:
        """Return the share of words that differ."""
        return self.differing / max(1, self.present_words, self.other_words)


def words_of(segments: Iterable[Segment], until_s: float) -> list[ReadWord]:
    """Return the words of a reading that begin before a time, without invented ones."""
    return [
        ReadWord(token, word.text, word.start_s, segment.speaker)
        for segment in segments
        if INVENTED not in segment.flags
        for word in segment.words
        if word.start_s < until_s
        for token in scripts.folded(word.text)
    ]


def compare(present: Sequence[ReadWord], other: Sequence[ReadWord]) -> ReadingDifference:
    """Return how two readings differ."""
    matcher = SequenceMatcher(None, [one.token for one in present], [one.token for one in other], autojunk=False)
    differing, pairs = 0, []
    spans: list[tuple[int, DifferentSpan]] = []
    for kind, first, end, other_first, other_end in matcher.get_opcodes():
        if kind == "equal":
            pairs += list(zip(present[first:end], other[other_first:other_end], strict=True))
            continue
        size = max(end - first, other_end - other_first)
        differing += size
        at_s = min(one.start_s for one in (*present[first:end], *other[other_first:other_end]))
        spans.append((size, DifferentSpan(at_s, _text(present[first:end]), _text(other[other_first:other_end]))))
    named = [(one.speaker, two.speaker) for one, two in pairs if one.speaker is not None and two.speaker is not None]
    return ReadingDifference(
        present_words=len(present),
        other_words=len(other),
        differing=differing,
        off_s=tuple(two.start_s - one.start_s for one, two in pairs),
        same_speaker=sum(one == two for one, two in named),
        with_speaker=len(named),
        spans=tuple(span for _, span in sorted(spans, key=lambda one: (-one[0], one[1].at_s))[:MOST_SPANS]),
    )


def _text(words: Sequence[ReadWord]) -> str:
    return " ".join(one.text for one in words)
