"""The fleet's budget and a site's circuit breaker: permits, times of refused requests, and probes."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.downloader.sites.rate_limit import (
    HOUR_S,
    LONGEST_WAIT_S,
    PROBE_S,
    Budget,
    Permit,
    SiteState,
    initial,
    probe_failed,
    succeeded,
    take,
    throttled,
)

NOW = 1_000_000.0
BUDGET = Budget(per_hour=3600.0, burst=2.0)


def granted(state: SiteState, now: float, cost: float = 1.0) -> tuple[SiteState, bool]:
    after, permit = take(state, BUDGET, now, cost)
    return after, permit.is_granted


def test_after_a_pause_a_burst_is_permitted_and_then_one_request_for_each_token() -> None:
    state = initial(BUDGET, NOW)
    permits = []
    for _ in range(3):
        state, is_granted = granted(state, NOW)
        permits.append(is_granted)
    assert permits == [True, True, False]
    assert granted(state, NOW + 0.9)[1] is False
    assert granted(state, NOW + 1.0)[1] is True


def test_refused_requests_get_times_one_after_another() -> None:
    state = SiteState(tokens=0.0, at=NOW)
    times = []
    for _ in range(3):
        state, permit = take(state, BUDGET, NOW, 1.0)
        times.append(permit.again_at - NOW)
    assert times == [1.0, 2.0, 3.0]
    assert take(state, BUDGET, NOW + 1, 1.0)[1] == Permit(True)


def test_a_refused_request_waits_for_an_hour_at_most() -> None:
    _, permit = take(SiteState(tokens=0.0, at=NOW, promised_at=NOW + 1_000_000), BUDGET, NOW, 1.0)
    assert permit.again_at == NOW + LONGEST_WAIT_S


@pytest.mark.parametrize("requests", [100, 5_000])
def test_requests_that_ask_again_at_their_times_get_the_whole_budget(requests: int) -> None:
    """5,000 are more than an hour's budget of 1,000: some are refused hour after hour."""
    budget, state, granted_at = Budget(1_000, 10), initial(Budget(1_000, 10), NOW), []
    queue = [NOW] * requests
    while queue:
        now = heapq.heappop(queue)
        state, permit = take(state, budget, now, 0.5)
        if permit.is_granted:
            granted_at.append(now)
        else:
            heapq.heappush(queue, permit.again_at)
    hours = (granted_at[-1] - NOW) / HOUR_S
    assert requests / 2 - budget.burst == pytest.approx(budget.per_hour * hours, rel=0.01)


@given(
    steps=st.lists(st.tuples(st.floats(-5, 5), st.sampled_from([0.5, 1.0])), max_size=200),
    per_hour=st.floats(1, 1e5),
    burst=st.floats(1, 20),
)
def test_never_more_than_the_budget_and_the_burst_are_permitted(
    steps: list[tuple[float, float]], per_hour: float, burst: float
) -> None:
    budget = Budget(per_hour, burst)
    state, now, latest, taken = initial(budget, NOW), NOW, NOW, 0.0
    for step_s, cost in steps:  # the clock may go backwards
        now = max(NOW - 100, now + step_s)
        latest = max(latest, now)
        state, permit = take(state, budget, now, cost)
        taken += cost if permit.is_granted else 0.0
        assert taken <= burst + (latest - NOW) * budget.per_second + 1e-6


def test_an_open_circuit_refuses_all_requests_until_its_time_and_then_permits_one_probe() -> None:
    state = throttled(initial(BUDGET, NOW), NOW, NOW + 100, "429")
    state, permit = take(state, BUDGET, NOW + 99, 1.0)
    assert (permit.is_granted, permit.again_at, permit.reason) == (False, NOW + 100, "429")
    state, first = take(state, BUDGET, NOW + 100, 1.0)
    state, second = take(state, BUDGET, NOW + 100, 1.0)
    assert (first.is_granted, second.is_granted) == (True, False)
    assert second.again_at > NOW + 100
    closed = succeeded(state, NOW + 101)
    assert not closed.is_open
    assert granted(closed, NOW + 103)[1] is True


def test_a_throttled_probe_opens_the_circuit_again() -> None:
    state, _ = take(throttled(initial(BUDGET, NOW), NOW, NOW + 100, "429"), BUDGET, NOW + 100, 1.0)
    state = throttled(state, NOW + 101, NOW + 3701, "429")
    assert granted(state, NOW + 3700)[1] is False
    assert granted(state, NOW + 3701)[1] is True


@pytest.mark.parametrize("later_s", [0.0, PROBE_S])
def test_after_a_probe_that_did_not_reach_the_site_or_got_lost_another_is_permitted(later_s: float) -> None:
    state, _ = take(throttled(initial(BUDGET, NOW), NOW, NOW + 100, "429"), BUDGET, NOW + 100, 1.0)
    state = probe_failed(state) if later_s == 0.0 else state
    assert granted(state, NOW + 100 + later_s)[1] is True


def test_a_late_reply_to_an_earlier_request_does_not_close_an_open_circuit() -> None:
    state = throttled(initial(BUDGET, NOW), NOW, NOW + 100, "429")
    assert succeeded(state, NOW + 5) == state


def test_the_shorter_of_two_limits_does_not_shorten_the_longer() -> None:
    state = throttled(throttled(initial(BUDGET, NOW), NOW, NOW + 3600, "hour"), NOW + 1, NOW + 61, "minute")
    assert state.open_until == NOW + 3600


def test_after_an_open_circuit_the_bucket_is_empty() -> None:
    state = throttled(initial(BUDGET, NOW), NOW, NOW + 100, "429")
    state = succeeded(take(state, BUDGET, NOW + 200, 1.0)[0], NOW + 201)
    assert granted(state, NOW + 201.5)[1] is False
