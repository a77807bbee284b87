"""Finds the turns in a time, and who speaks at the same time as the speaker of a passage. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from ingest.shared.artifacts.transcript import Turn

LEAST_S = 0.2  # about a syllable: the limits of turns are no more exact


class TurnsInOrder:
    """The turns of a recording in the order of their beginnings, for fast look-ups."""

    def __init__(self, turns: Iterable[Turn]) -> None:
        self._turns = sorted(turns, key=lambda turn: turn.start_s)
        self._starts_s = [turn.start_s for turn in self._turns]
        self._latest_ends_s = list(accumulate((turn.end_s for turn in self._turns), max))

    def within(self, start_s: float, end_s: float) -> list[Turn]:
        """Return the turns that share some time with that between two seconds."""
        first, end = bisect_right(self._latest_ends_s, start_s), bisect_left(self._starts_s, end_s)
        return [turn for turn in self._turns[first:end] if turn.end_s > start_s]


def also_speaking(start_s: float, end_s: float, speaker: str | None, turns: Sequence[Turn]) -> tuple[str, ...]:
    """Return the others who speak between two seconds while a speaker does, the one who does so longest first."""
    near = [turn for turn in turns if turn.start_s < end_s and turn.end_s > start_s]
    if all(one.end_s <= after.start_s for one, after in pairwise(near)):  # one after the other, as nearly everywhere
        return ()
    own = [turn for turn in near if turn.speaker == speaker]
    shared_s: dict[str, float] = {}
    for turn in near if own else ():
        if turn.speaker != speaker:
            both = (min(turn.end_s, one.end_s, end_s) - max(turn.start_s, one.start_s, start_s) for one in own)
            shared_s[turn.speaker] = shared_s.get(turn.speaker, 0.0) + sum(max(0.0, seconds) for seconds in both)
    return tuple(
        name for name in sorted(shared_s, key=lambda name: (-shared_s[name], name)) if shared_s[name] >= LEAST_S
    )


def said(names: Collection[str]) -> str:
    """Return that others speak, too, as `Bob and Eve speak, too`; nothing where there are none."""
    verb = "speaks" if len(names) == 1 else "speak"
    return f"{' and '.join(names)} {verb}, too" if names else ""
