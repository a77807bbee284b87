"""The figures of `bench.run_cores`: the busy share of the cores in equal parts of a time."""

from __future__ import annotations

import pytest

from bench.run_cores import Figures, Look, look, shares


def test_shares_are_those_of_the_parts_of_the_time() -> None:
    looks = [Look(float(at_s), busy_s, 2.0 * at_s - busy_s) for at_s, busy_s in enumerate([0, 2, 4, 5, 6, 6, 6])]
    assert shares(looks, 0.5, 6.5, 3) == pytest.approx((1.0, 0.5, 0.0))
    assert shares(looks, 10.0, 20.0, 2) == (0.0, 0.0)


def test_the_processors_work_and_rest_as_time_goes_on() -> None:
    first = look()
    while (second := look()).busy_s == first.busy_s:
        pass
    assert (second.at_s > first.at_s, second.idle_s >= first.idle_s) == (True, True)


def test_the_bound_is_the_processor_time_over_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert Figures(1, 1, 1, 1.0, 30.0, 25.0, 80.0, 20.0, (), {}).bound_s == 20.0
