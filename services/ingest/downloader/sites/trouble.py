"""The trouble of a site that no limit explains, as pure decisions about its state.

A site may change overnight, an account's login may end, a host may refuse all its files. Then one recording after the
other fails, and none succeeds. A stage of a site is held when `ROW` recordings in a row have failed for one reason:

    quiet ── ROW recordings in a row fail ──► held ── a probe fails ──► held, four times as long
      ▲                                        │
      └──── a recording succeeds ◄─────────────┘ one probe at a time

A recording that is known to work (the canary: the last that worked) separates trouble of the site from that of the
recordings: it is requested before the site is held, and before each probe. Times are seconds since 1970 by the broker's
clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.shared.errors import Code

ROW = 5
PROBE_S = 180.0  # without a result for this long, the probe counts as lost and another recording may probe
FIRST_PAUSE_S = 60.0
FACTOR = 4.0
LONGEST_PAUSE_S = 3600.0
LONGEST_HOLD_S = 7 * 86_400.0  # after it, attempts are counted again: every recording ends
CANARY_S = 3600.0  # the canary is renewed no more often


@dataclass(frozen=True)
class Trouble:
    """The state of a stage of a site, as all downloaders share it. The field names are stored in the broker.

    `failed` are the recordings of the present row, `code` and `words` their reason, `since` when the first of them
    failed. `pause_s` 0 means that the site is not held. `canary` is the address of the last recording that worked.
    """

    code: str = ""
    words: str = ""
    since: float = 0.0
    failed: tuple[str, ...] = ()
    pause_s: float = 0.0
    next_at: float = 0.0
    probe_until: float = 0.0
    canary: str = ""
    canary_at: float = 0.0

    def is_held(self, now: float) -> bool:
        """Return whether one recording at a time may be asked for."""
        return self.pause_s > 0 and now < self.since + LONGEST_HOLD_S


class Turn(Enum):
    """Whether a recording may be asked for."""

    FREE = "free"
    PROBE = "probe"
    WAIT = "wait"


def turn(state: Trouble, now: float) -> tuple[Trouble, Turn]:
    """Decide whether a recording may be asked for; return the state after it."""
    if not state.is_held(now):
        return state, Turn.FREE
    if state.next_at > now + state.pause_s:  # the clock was put back
        state = replace(state, next_at=now + state.pause_s)
    if now >= state.next_at and now >= state.probe_until:
        return replace(state, probe_until=now + PROBE_S), Turn.PROBE
    return state, Turn.WAIT


def failed(state: Trouble, recording: str, code: Code, words: str, now: float) -> tuple[Trouble, bool]:
    """Return the state after a recording failed for a suspect reason, and whether the site has to be judged now."""
    if state.is_held(now):
        return state, False
    if code != state.code:
        state = replace(state, code=code, since=now, failed=(), pause_s=0.0, probe_until=0.0)
    others = tuple(one for one in state.failed if one != recording)
    state = replace(state, words=words, failed=(*others, recording)[-ROW:])
    is_over = state.pause_s > 0  # held for so long that attempts are counted again
    if is_over or len(state.failed) < ROW or now < state.probe_until:
        return state, False
    return replace(state, probe_until=now + PROBE_S), True


def held(state: Trouble, now: float) -> Trouble:
    """Return the state after a judgement against the site, or after a probe that failed."""
    pause_s = min(LONGEST_PAUSE_S, state.pause_s * FACTOR) if state.pause_s else FIRST_PAUSE_S
    return replace(state, pause_s=pause_s, next_at=now + pause_s, probe_until=0.0)


def released(state: Trouble) -> Trouble:
    """Return the state after a probe that says nothing about the site: another recording may probe at once."""
    return replace(state, probe_until=0.0)


def succeeded(state: Trouble, canary: str, now: float) -> Trouble:
    """Return the state after a recording, or the canary, could be had: the row and the hold end."""
    if canary and (not state.canary or now - state.canary_at >= CANARY_S):
        state = replace(state, canary=canary, canary_at=now)
    return Trouble(canary=state.canary, canary_at=state.canary_at)


def without_canary(state: Trouble) -> Trouble:
    """Return the state after the canary was found to be gone itself."""
    return replace(state, canary="", canary_at=0.0)
