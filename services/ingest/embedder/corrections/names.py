"""Applies what people have said about speakers to the turns of a recording. The files stay as they are. Pure.

A statement is anchored in the times of the turns that it is about. Another diarization has other turns:

    most of a speaker of it lies in those times    all turns of that speaker, but those that were another's before
    otherwise                                      the turns that mostly lie in them, each for itself

A statement whose times belong to no turns any more, or only to a small part, needs a look. The rule of a turn with a
name by hand is `by hand: AUTHOR`; it has no score.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import count, pairwise
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ingest.shared.artifacts.transcript import Turn

Kind = Literal["name", "turn", "not"]
Span = tuple[float, float]
State = Literal["placed", "right", "needs a look"]

UNKNOWN = "Unknown"
BY_HAND = "by hand: "
MOST = 0.6  # of a speaker's or a turn's time
LEAST_PLACED = 0.5  # of the time that a statement is about
SHORTEST_S = 0.5  # a shorter rest of a turn goes with the other part


@dataclass(frozen=True)
class SpeakerStatement:
    """What a person has said about the speaker of these times.

    name    the speaker is `name`; without one, the same as the speaker of the times `like`
    turn    the same for what is said in these times alone, which may be a part of a turn
    not     the speaker is not `name`

    `others` are the times of all other turns of the recording, when it was said.
    """

    id: int
    kind: Kind
    name: str
    spans: tuple[Span, ...]
    others: tuple[Span, ...] = ()
    like: tuple[Span, ...] = ()
    author: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a statement."""

    statement: int
    state: State


@dataclass(frozen=True)
class NamedTurns:
    """Turns with the names by hand, and what became of each statement."""

    turns: tuple[Turn, ...]
    outcomes: tuple[Outcome, ...] = ()


def apply(turns: Iterable[Turn], statements: Iterable[SpeakerStatement]) -> NamedTurns:
    """Return turns with what people have said about their speakers, in the order in which they said it."""
    named, outcomes = list(turns), []
    for one in sorted(statements, key=lambda one: one.id):
        named, outcome = _put(named, one)
        outcomes.append(outcome)
    return NamedTurns(tuple(named), tuple(outcomes))


def author_of(turn: Turn) -> str | None:
    """Return who has named the speaker of a turn by hand; None for a name of the voice models."""
    return turn.rule.removeprefix(BY_HAND) if turn.rule.startswith(BY_HAND) else None


def spans_of(turns: Iterable[Turn], speaker: str) -> tuple[Span, ...]:
    """Return the times of the turns of a speaker."""
    return tuple((turn.start_s, turn.end_s) for turn in turns if turn.speaker.casefold() == speaker.casefold())


def is_unknown(speaker: str) -> bool:
    """Whether a speaker has no name."""
    return speaker.partition(" ")[0] == UNKNOWN


def _put(turns: list[Turn], one: SpeakerStatement) -> tuple[list[Turn], Outcome]:
    times = _Times(one.spans)
    if one.kind == "turn":
        turns = [part for turn in turns for part in _parts(turn, times)]
    shared_s = [times.shared_s(turn) for turn in turns]
    meant = _meant(turns, shared_s, None if one.kind == "turn" else _Times(one.others))
    placed_s = sum(shared_s[number] for number in meant)
    is_placed = placed_s >= LEAST_PLACED * times.total_s > 0
    if one.kind == "not":
        return _refused(turns, one, meant, is_placed=is_placed)
    name = one.name or _speaker_in(turns, _Times(one.like)) or next(free_names(turns))
    changed = [_named(turn, name, one.author) if number in meant else turn for number, turn in enumerate(turns)]
    return changed, Outcome(one.id, "placed" if is_placed else "needs a look")


def _meant(turns: Sequence[Turn], shared_s: Sequence[float], others: _Times | None) -> set[int]:
    """Return the numbers of the turns that a statement is about, by the seconds that it shares with each.

    Without `others`, there are no whole speakers among them.
    """
    lengths_s = [_length_s(turn) for turn in turns]
    own = {number for number, length_s in enumerate(lengths_s) if shared_s[number] >= MOST * length_s > 0}
    if others is None:
        return own
    groups: dict[tuple[str, str], list[int]] = {}
    for number, turn in enumerate(turns):
        groups.setdefault((turn.cluster, turn.speaker), []).append(number)
    for members in groups.values():
        if sum(shared_s[number] for number in members) >= MOST * sum(lengths_s[number] for number in members) > 0:
            own.update(number for number in members if others.shared_s(turns[number]) < MOST * lengths_s[number])
    return own


def _refused(
    turns: list[Turn], one: SpeakerStatement, meant: set[int], *, is_placed: bool
) -> tuple[list[Turn], Outcome]:
    """Return turns without a name that is refused for them."""
    wrong = {number for number in meant if turns[number].speaker.casefold() == one.name.casefold()}
    free = free_names(turns)
    unknown: dict[str, str] = {}
    changed = list(turns)
    for number in sorted(wrong):
        cluster = turns[number].cluster
        if cluster not in unknown:
            unknown[cluster] = next(free)
        changed[number] = _named(turns[number], unknown[cluster], one.author)
    if not is_placed:
        return changed, Outcome(one.id, "needs a look")
    return changed, Outcome(one.id, "placed" if wrong else "right")


def free_names(turns: Iterable[Turn]) -> Iterator[str]:
    """Yield the names of unknown speakers that no turn has."""
    taken = {turn.speaker for turn in turns}
    return (f"{UNKNOWN} {number}" for number in count(1) if f"{UNKNOWN} {number}" not in taken)


def _named(turn: Turn, name: str, author: str) -> Turn:
    nothing = dict.fromkeys(("score", "margin", "second_best", "profile_version"))
    return turn.model_copy(update={**nothing, "speaker": name, "rule": f"{BY_HAND}{author}"})


def _speaker_in(turns: Sequence[Turn], times: _Times) -> str | None:
    """Return who speaks most in these times; None where no turn is."""
    shares: dict[str, float] = {}
    for turn in turns:
        shares[turn.speaker] = shares.get(turn.speaker, 0.0) + times.shared_s(turn)
    best = max(shares, key=lambda name: (shares[name], name), default=None)
    return best if best is not None and shares[best] > 0 else None


def _parts(turn: Turn, times: _Times) -> list[Turn]:
    """Return a turn cut where times begin and end, except close to its own ends."""
    cuts = [cut for cut in times.limits_s if turn.start_s + SHORTEST_S <= cut <= turn.end_s - SHORTEST_S]
    limits = [turn.start_s, *cuts, turn.end_s]
    return [turn.model_copy(update={"start_s": start_s, "end_s": end_s}) for start_s, end_s in pairwise(limits)]


def _length_s(turn: Turn) -> float:
    return turn.end_s - turn.start_s


class _Times:
    """Times that do not overlap, in order, for fast look-ups."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans: list[Span] = []
        for start_s, end_s in sorted(spans):
            if self._spans and start_s <= self._spans[-1][1]:
                self._spans[-1] = (self._spans[-1][0], max(end_s, self._spans[-1][1]))
            else:
                self._spans.append((start_s, end_s))
        self._ends_s = [end_s for _, end_s in self._spans]

    @property
    def total_s(self) -> float:
        """Return the length of all times together."""
        return sum(end_s - start_s for start_s, end_s in self._spans)

    @property
    def limits_s(self) -> list[float]:
        """Return where times begin and end, in order."""
        return [limit for span in self._spans for limit in span]

    def shared_s(self, turn: Turn) -> float:
        """Return how many seconds of a turn are in these times."""
        shared_s = 0.0
        for start_s, end_s in self._spans[bisect_left(self._ends_s, turn.start_s) :]:
            if start_s >= turn.end_s:
                break
            shared_s += max(0.0, min(end_s, turn.end_s) - max(start_s, turn.start_s))
        return shared_s
