"""The broker's clock is put back or ahead: no site is held for longer, and no budget stays empty for longer."""

from __future__ import annotations

import pytest

from ingest.downloader.exits import YOUTUBE
from ingest.downloader.sites.rate_limit import HOUR_S, Budget
from ingest.downloader.sites.rate_limiter import RateLimiter
from ingest.downloader.sites.trouble import FIRST_PAUSE_S, LONGEST_PAUSE_S
from ingest.shared.errors import Code, IngestError
from tests.support.site_keys import Keys
from tests.unit.downloader.sites.test_breaker import Site

BUDGET = Budget(per_hour=360.0, burst=2.0)
MOVES = [pytest.param(-HOUR_S, id="an hour back"), pytest.param(24 * HOUR_S, id="a day ahead")]


def answer(limiter: RateLimiter) -> Code | None:
    """Ask for a permit; return the code of the refusal, or None."""
    try:
        with limiter.permit(YOUTUBE):
            return None
    except IngestError as error:
        return error.code


@pytest.mark.parametrize("moved_s", MOVES)
@pytest.mark.parametrize("held_s", [0.0, 5 * HOUR_S], ids=["a new hold", "a long hold"])
def test_a_hold_is_not_longer(held_s: float, moved_s: float) -> None:
    site = Site()
    site.ask(1)
    site.break_down()
    until = site.keys.now.timestamp() + held_s
    while site.keys.now.timestamp() < until:
        site.keys.wait(60.0)
        site.ask(2)
    site.keys.wait(moved_s)
    site.ask(3)
    site.code = None
    site.keys.wait(LONGEST_PAUSE_S if held_s else 4 * FIRST_PAUSE_S)
    assert site.ask(4) is None
    assert not site.is_held


@pytest.mark.parametrize("moved_s", MOVES)
def test_a_spent_budget_is_filled_as_fast(moved_s: float) -> None:
    keys = Keys()
    limiter = RateLimiter(keys, BUDGET)
    while answer(limiter) is None:
        pass
    keys.wait(moved_s)
    answer(limiter)
    keys.wait(2 / BUDGET.per_second)
    assert [answer(limiter) for _ in range(2)] == [None, None]
