"""How much the fleet may ask of a site, and when a site has closed its door: pure decisions about one site's state.

A video site bears so many videos an hour; more, and it answers nobody of ours for an hour. So there is one bucket of
tokens for all downloaders together, and one circuit for each site:

    closed ── a site limits us ──► open ── its time is over ──► one video probes ── it was answered ──► closed
                                     ▲                                └── limited again ──┘ (open)

Times are seconds since 1970 by the broker's clock: those of the workers may differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

HOUR_S = 3600.0
PROBE_S = 180.0  # after this long without news of it, another video may probe
LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True)
class Budget:
    """How many videos an hour the fleet may ask a site for, and how many at once after a pause."""

    per_hour: float
    burst: float

    @property
    def per_second(self) -> float:
        """Return the rate at which tokens come."""
        return self.per_hour / HOUR_S


@dataclass(frozen=True)
class SiteState:
    """What the fleet knows about a site. `waiting` is how many were told to come again and have not been let in since.

    `open_until` 0 means that the circuit is closed; once its time is over, one video probes until `probe_until`.
    """

    tokens: float
    at: float
    waiting: int = 0
    open_until: float = 0.0
    probe_until: float = 0.0
    reason: str = ""

    @property
    def is_open(self) -> bool:
        """Tell whether the site has limited us and has not yet answered since."""
        return self.open_until > 0


@dataclass(frozen=True)
class Leave:
    """The answer to one who wants to ask the site: go now, or come again at `again_at`."""

    is_granted: bool
    again_at: float = 0.0
    reason: str = ""


def fresh(budget: Budget, now: float) -> SiteState:
    """Return the state of a site that nobody has asked for long."""
    return SiteState(tokens=budget.burst, at=now)


def take(state: SiteState, budget: Budget, now: float, cost: float) -> tuple[SiteState, Leave]:
    """Ask for leave: return the state after it and the answer.

    Whoever is refused is told to come when those before it have had their turn, so that nobody asks in vain.
    """
    if state.is_open:
        return _take_while_open(state, budget, now)
    current = filled(state, budget, now)
    if current.tokens >= cost:
        return replace(current, tokens=current.tokens - cost, waiting=max(0, current.waiting - 1)), Leave(True)
    missing = cost - current.tokens + cost * current.waiting
    again_at = now + min(LONGEST_WAIT_S, missing / budget.per_second)
    return replace(current, waiting=current.waiting + 1), Leave(False, again_at, "the hourly budget is spent")


def _take_while_open(state: SiteState, budget: Budget, now: float) -> tuple[SiteState, Leave]:
    if now >= state.open_until and now >= state.probe_until:
        return replace(state, probe_until=now + PROBE_S), Leave(True)
    after = max(state.open_until, state.probe_until)
    again_at = after + min(LONGEST_WAIT_S, state.waiting / budget.per_second)
    return replace(state, waiting=state.waiting + 1), Leave(False, again_at, state.reason)


def limited(state: SiteState, now: float, until: float, reason: str) -> SiteState:
    """Return the state after the site has limited us: closed to everybody until then, and slowly from there."""
    return replace(
        state, tokens=0.0, at=max(now, until), open_until=max(until, state.open_until), probe_until=0.0, reason=reason
    )


def answered(state: SiteState, now: float) -> SiteState:
    """Return the state after the site has answered: its circuit closes, unless it was opened again meanwhile."""
    if not state.is_open or now < state.open_until:
        return state
    return replace(state, open_until=0.0, probe_until=0.0, reason="", waiting=0, at=now)


def unheard(state: SiteState) -> SiteState:
    """Return the state after a probe that did not reach the site: the next one may try."""
    return replace(state, probe_until=0.0)


def filled(state: SiteState, budget: Budget, now: float) -> SiteState:
    """Return the state with the tokens that have come since; there are none while the circuit is open."""
    elapsed_s = max(0.0, now - state.at)
    tokens = min(budget.burst, state.tokens + elapsed_s * budget.per_second)
    return replace(state, tokens=tokens, at=max(now, state.at))
