"""The fleet's budget and a site's circuit: who may ask, who comes again when, and how a closed door is tried."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.downloader.rate_limit import (
    LONGEST_WAIT_S,
    PROBE_S,
    Budget,
    Leave,
    SiteState,
    answered,
    fresh,
    limited,
    take,
    unheard,
)

NOW = 1_000_000.0
BUDGET = Budget(per_hour=3600.0, burst=2.0)


def granted(state: SiteState, now: float, cost: float = 1.0) -> tuple[SiteState, bool]:
    after, leave = take(state, BUDGET, now, cost)
    return after, leave.is_granted


def test_after_a_pause_a_burst_may_go_and_then_one_for_each_token() -> None:
    state = fresh(BUDGET, NOW)
    answers = []
    for _ in range(3):
        state, answer = granted(state, NOW)
        answers.append(answer)
    assert answers == [True, True, False]
    assert granted(state, NOW + 0.9)[1] is False
    assert granted(state, NOW + 1.0)[1] is True


def test_whoever_is_refused_is_told_to_come_after_those_before_it() -> None:
    state = SiteState(tokens=0.0, at=NOW)
    times = []
    for _ in range(3):
        state, leave = take(state, BUDGET, NOW, 1.0)
        times.append(leave.again_at - NOW)
    assert times == [1.0, 2.0, 3.0]
    state, leave = take(state, BUDGET, NOW + 1, 1.0)
    assert (leave, state.waiting) == (Leave(True), 2)


def test_nobody_is_sent_away_for_longer_than_an_hour() -> None:
    _, leave = take(SiteState(tokens=0.0, at=NOW, waiting=1_000_000), BUDGET, NOW, 1.0)
    assert leave.again_at == NOW + LONGEST_WAIT_S


@given(
    steps=st.lists(st.tuples(st.floats(-5, 5), st.sampled_from([0.5, 1.0])), max_size=200),
    per_hour=st.floats(1, 1e5),
    burst=st.floats(1, 20),
)
def test_never_more_than_the_budget_and_the_burst_are_let_in(
    steps: list[tuple[float, float]], per_hour: float, burst: float
) -> None:
    budget = Budget(per_hour, burst)
    state, now, latest, taken = fresh(budget, NOW), NOW, NOW, 0.0
    for step_s, cost in steps:  # the clock may go back
        now = max(NOW - 100, now + step_s)
        latest = max(latest, now)
        state, leave = take(state, budget, now, cost)
        taken += cost if leave.is_granted else 0.0
        assert taken <= burst + (latest - NOW) * budget.per_second + 1e-6


def test_a_closed_door_is_closed_to_everybody_until_its_time_and_then_one_tries() -> None:
    state = limited(fresh(BUDGET, NOW), NOW, NOW + 100, "429")
    state, leave = take(state, BUDGET, NOW + 99, 1.0)
    assert (leave.is_granted, leave.again_at, leave.reason) == (False, NOW + 100, "429")
    state, first = take(state, BUDGET, NOW + 100, 1.0)
    state, second = take(state, BUDGET, NOW + 100, 1.0)
    assert (first.is_granted, second.is_granted) == (True, False)
    assert second.again_at > NOW + 100
    open_again = answered(state, NOW + 101)
    assert not open_again.is_open
    assert granted(open_again, NOW + 103)[1] is True


def test_a_probe_that_is_limited_again_closes_the_door_again() -> None:
    state, _ = take(limited(fresh(BUDGET, NOW), NOW, NOW + 100, "429"), BUDGET, NOW + 100, 1.0)
    state = limited(state, NOW + 101, NOW + 3701, "429")
    assert granted(state, NOW + 3700)[1] is False
    assert granted(state, NOW + 3701)[1] is True


@pytest.mark.parametrize(("later_s", "may"), [(0.0, True), (PROBE_S, True)])
def test_a_probe_that_never_reached_the_site_or_died_leaves_its_turn_to_another(later_s: float, may: bool) -> None:  # noqa: FBT001 (a table)
    state, _ = take(limited(fresh(BUDGET, NOW), NOW, NOW + 100, "429"), BUDGET, NOW + 100, 1.0)
    state = unheard(state) if later_s == 0.0 else state
    assert granted(state, NOW + 100 + later_s)[1] is may


def test_a_late_answer_from_before_does_not_open_a_closed_door() -> None:
    state = limited(fresh(BUDGET, NOW), NOW, NOW + 100, "429")
    assert answered(state, NOW + 5) == state


def test_the_shorter_of_two_limits_does_not_shorten_the_longer() -> None:
    state = limited(limited(fresh(BUDGET, NOW), NOW, NOW + 3600, "hour"), NOW + 1, NOW + 61, "minute")
    assert state.open_until == NOW + 3600


def test_after_a_limit_the_first_tokens_come_slowly() -> None:
    state = limited(fresh(BUDGET, NOW), NOW, NOW + 100, "429")
    state = answered(take(state, BUDGET, NOW + 200, 1.0)[0], NOW + 201)
    assert granted(state, NOW + 201.5)[1] is False
