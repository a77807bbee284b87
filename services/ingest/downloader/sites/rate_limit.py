"""The rate limit and the circuit breaker of one site, as pure decisions about its state.

A site tolerates a limited number of requests per hour from one address. Above that it blocks all our workers for about
an hour. So all downloaders share one token bucket, and there is one circuit breaker for each site, and for each exit to
YouTube. The rate of the bucket is learned: a limit halves it, and each permit raises it a little, up to the budget.

    closed ── the site throttles us ──► open ── its time is over ──► half-open ── the probe succeeds ──► closed
                                         ▲        (one probe)           │
                                         └──── the probe is throttled ──┘

Times are seconds since 1970 by the broker's clock, because the clocks of the workers may differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

HOUR_S = 3600.0
PROBE_S = 180.0  # without a result for this long, the probe counts as lost and another video may probe
LONGEST_WAIT_S = 3600.0
CLOCK_BACK_S = 60.0  # with a state from so far ahead, the broker's clock was put back
ROUNDING = 1e-6  # of tokens
LOWEST_SHARE = 1 / 16  # of the budget, after limit upon limit
RAISED_BY = 1 / 1000  # of the budget, with each permit: the whole budget is back after some hours


@dataclass(frozen=True)
class Budget:
    """Videos per hour that the fleet may request from a site, and how many at once after a pause."""

    per_hour: float
    burst: float

    @property
    def per_second(self) -> float:
        """Return the rate at which tokens are added."""
        return self.per_hour / HOUR_S

    def learned(self, state: SiteState) -> Budget:
        """Return the budget that the site has been found to allow."""
        return self if state.per_hour <= 0 else replace(self, per_hour=min(self.per_hour, state.per_hour))


@dataclass(frozen=True)
class SiteState:
    """The state of a site, as all downloaders share it. The field names are stored in the broker.

    `promised_at` is the last time that a refused request was given. `open_until` 0 means that the circuit is
    closed. When `open_until` has passed, the circuit is half-open: one video probes the site until `probe_until`.
    `per_hour` is the learned rate, 0 the whole budget. Until `guest_until` its account rests, for the reason `account`.
    """

    tokens: float
    at: float
    promised_at: float = 0.0
    open_until: float = 0.0
    probe_until: float = 0.0
    reason: str = ""
    per_hour: float = 0.0
    guest_until: float = 0.0
    account: str = ""

    @property
    def is_open(self) -> bool:
        """Return whether the circuit is open or half-open."""
        return self.open_until > 0


@dataclass(frozen=True)
class Permit:
    """The decision about one request: allowed now, or to be repeated at `again_at` for a reason."""

    is_granted: bool
    again_at: float = 0.0
    reason: str = ""


def initial(budget: Budget, now: float) -> SiteState:
    """Return the state of a site without recent requests: a full bucket, a closed circuit."""
    return SiteState(tokens=budget.burst, at=now)


def take(state: SiteState, budget: Budget, now: float, cost: float) -> tuple[SiteState, Permit]:
    """Decide about a request that costs `cost` tokens; return the state after it and the permit.

    A refused request gets a time of its own, after those of the requests that were refused before.
    """
    bound, budget = budget, budget.learned(state)
    if state.is_open:
        return _take_while_open(state, budget, now, cost)
    if state.at > now + CLOCK_BACK_S:
        state = replace(state, at=now, promised_at=0.0)
    current = filled(state, budget, now)
    if current.tokens >= cost - ROUNDING:
        return _raised(replace(current, tokens=current.tokens - cost), bound), Permit(True)
    soonest = now + (cost - current.tokens) / budget.per_second
    return _refused(current, now, soonest, cost / budget.per_second, "the hourly budget is spent")


def _take_while_open(state: SiteState, budget: Budget, now: float, cost: float) -> tuple[SiteState, Permit]:
    if now >= state.open_until and now >= state.probe_until:
        return replace(state, probe_until=now + PROBE_S), Permit(True)
    after = max(state.open_until, state.probe_until)
    return _refused(state, after, after, cost / budget.per_second, state.reason)


def _refused(state: SiteState, since: float, soonest: float, apart_s: float, reason: str) -> tuple[SiteState, Permit]:
    """Return the first time from `soonest` on that is free; those of two requests are `apart_s` apart.

    Times of more than `LONGEST_WAIT_S` after `since` are not promised: the request asks again then.
    """
    again_at, latest = max(soonest, state.promised_at + apart_s), since + LONGEST_WAIT_S
    if again_at > latest:
        return state, Permit(False, latest, reason)
    return replace(state, promised_at=again_at), Permit(False, again_at, reason)


def _raised(state: SiteState, bound: Budget) -> SiteState:
    """Return the state with a slightly higher learned rate; at the whole budget nothing is learned any more."""
    if state.per_hour <= 0:
        return state
    rate = state.per_hour + RAISED_BY * bound.per_hour
    return replace(state, per_hour=0.0 if rate >= bound.per_hour else rate)


def halved(state: SiteState, bound: Budget, now: float) -> SiteState:
    """Return the state with half of its learned rate; requests in flight when the circuit opened halve it once."""
    if now < state.open_until:
        return state
    rate = bound.learned(state).per_hour / 2
    return replace(state, per_hour=max(rate, LOWEST_SHARE * bound.per_hour))


def throttled(state: SiteState, now: float, until: float, reason: str) -> SiteState:
    """Return the state after the site has throttled us: an open circuit until then, and an empty bucket after it."""
    return replace(
        state,
        tokens=0.0,
        at=max(now, until),
        promised_at=0.0,
        open_until=max(until, state.open_until),
        probe_until=0.0,
        reason=reason,
    )


def succeeded(state: SiteState, now: float) -> SiteState:
    """Return the state after the site has replied: a half-open circuit closes.

    An open circuit stays open: the reply belongs to a request from before it was opened.
    """
    if not state.is_open or now < state.open_until:
        return state
    return replace(state, open_until=0.0, probe_until=0.0, reason="", at=now)


def probe_failed(state: SiteState) -> SiteState:
    """Return the state after a probe that did not reach the site: another video may probe at once."""
    return replace(state, probe_until=0.0)


def filled(state: SiteState, budget: Budget, now: float) -> SiteState:
    """Return the state with the tokens that were added since; none are added while the circuit is open."""
    budget = budget.learned(state)
    elapsed_s = max(0.0, now - state.at)
    tokens = min(budget.burst, state.tokens + elapsed_s * budget.per_second)
    return replace(state, tokens=tokens, at=max(now, state.at))
