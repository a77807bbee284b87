"""Finds asides: a short word of another speaker ("Mhm.") inside of what one speaker says. Pure.

An aside does not divide the passage around it, and is a passage of its own. A short answer to a question is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, chain, groupby, takewhile, zip_longest
from typing import TYPE_CHECKING

from ingest.shared import scripts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ingest.shared.artifacts.transcript import Segment

LONGEST_S = 1.5
LONGEST_TEXT = 20  # in Latin letters
QUESTION_MARKS = ("?", "？", "\u061f", "\u037e")  # noqa: RUF001 (the marks of other scripts)


@dataclass(frozen=True)
class Speech:
    """The segments of a recording without asides, and the segments of each aside."""

    segments: tuple[Segment, ...]
    asides: tuple[tuple[Segment, ...], ...]


def apart(segments: Iterable[Segment]) -> Speech:
    """Return segments and asides apart from each other, both in order."""
    runs = [tuple(run) for _, run in groupby(segments, key=lambda one: one.speaker)]
    spoken: list[Segment] = []
    asides: list[tuple[Segment, ...]] = []
    for run, after in zip_longest(runs, runs[1:], fillvalue=()):
        if spoken and after and _is_aside(spoken, run, after):
            asides.append(run)
        else:
            spoken += run
    return Speech(tuple(spoken), tuple(asides))


def _is_aside(spoken: Sequence[Segment], run: Sequence[Segment], after: Sequence[Segment]) -> bool:
    """Whether a run is short, no answer, and inside of a longer speech of one speaker."""
    before, speaker = spoken[-1], spoken[-1].speaker
    is_inside = after[0].speaker == speaker is not None and run[0].speaker != speaker
    is_short = run[-1].end_s - run[0].start_s <= LONGEST_S and not _is_longer(run)
    is_answer = before.text.rstrip().endswith(QUESTION_MARKS)
    return is_inside and is_short and not is_answer and _is_longer(chain(after, _last(spoken, speaker)))


def _last(spoken: Sequence[Segment], speaker: str | None) -> Iterator[Segment]:
    """Yield the last segments of a speaker, backwards."""
    return takewhile(lambda one: one.speaker == speaker, reversed(spoken))


def _is_longer(segments: Iterable[Segment]) -> bool:
    """Whether segments have more text than an aside."""
    return any(letters > LONGEST_TEXT for letters in accumulate(scripts.length(one.text) for one in segments))
