"""The words of a recording in one row, as corrections find and change them, and back to segments. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from typing import TYPE_CHECKING

from ingest.shared import scripts
from ingest.shared.artifacts.transcript import INVENTED, Word, join, spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.shared.artifacts.transcript import Segment


@dataclass(frozen=True)
class SpokenWord:
    """A word, the number of its segment, and the correction that it comes from or that it agrees with."""

    word: Word
    segment: int
    correction: int | None = None


def words_of(segments: Iterable[Segment]) -> list[SpokenWord]:
    """Return the words of all segments that are part of the text."""
    return [
        SpokenWord(word, number)
        for number, segment in enumerate(segments)
        if INVENTED not in segment.flags
        for word in segment.words or spread(segment.text, segment.start_s, segment.end_s)
        if word.text.strip()
    ]


def segments_of(segments: Sequence[Segment], words: Iterable[SpokenWord]) -> list[Segment]:
    """Return segments with the words that they have now; those that no correction has changed stay as they are."""
    found = {number: tuple(group) for number, group in groupby(words, key=lambda one: one.segment)}
    changed = []
    for number, segment in enumerate(segments):
        own = tuple(one.word for one in found.get(number, ()))
        before = tuple(
            word for word in segment.words or spread(segment.text, segment.start_s, segment.end_s) if word.text.strip()
        )
        if INVENTED in segment.flags or own == before:
            changed.append(segment)
        elif own:
            times = {"start_s": own[0].start_s, "end_s": max(word.end_s for word in own)}
            changed.append(segment.model_copy(update={"words": own, "text": join(own), **times}))
    return changed


def replaced(words: Sequence[SpokenWord], text: str, correction: int) -> list[SpokenWord]:
    """Return the words of a text that takes the place of these words, and of their time.

    As many words as before keep their times; otherwise the time is shared by the lengths of the words.
    """
    tokens = scripts.tokens(text)
    first = words[0]
    befores = [first.word.before, *(before[:1] and " " for before, _ in tokens[1:])]
    if len(tokens) == len(words):
        owners = list(words)
        times = [(one.word.start_s, one.word.end_s) for one in words]
    else:
        owners = [first] * len(tokens)
        times = _shared(first.word.start_s, max(one.word.end_s for one in words), [token for _, token in tokens])
    return [
        SpokenWord(
            Word(start_s=start_s, end_s=end_s, before=before, text=token, probability=1.0), owner.segment, correction
        )
        for owner, before, (_, token), (start_s, end_s) in zip(owners, befores, tokens, times, strict=True)
    ]


def _shared(start_s: float, end_s: float, texts: Sequence[str]) -> list[tuple[float, float]]:
    """Return a part of a time for each text, by their lengths."""
    lengths = list(accumulate((max(1, scripts.length(text)) for text in texts), initial=0))
    limits = [start_s + (end_s - start_s) * length / lengths[-1] for length in lengths]
    return list(pairwise(limits))
