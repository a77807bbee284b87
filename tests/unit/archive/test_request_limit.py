"""How many requests a client may send."""

from __future__ import annotations

from ingest.archive.web.access.client_key import MOST_CLIENTS
from ingest.archive.web.access.request_limit import RequestLimit

MOST = 120
SHARE_S = 0.5  # of one request


class Clock:
    """A clock that stands still until it is set."""

    now = 100_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def sent(limit: RequestLimit, address: str, count: int) -> int:
    """Send requests; return how many were answered."""
    return sum(limit.wait_s(address) == 0 for _ in range(count))


def test_a_client_uses_the_requests_of_a_minute_at_once_and_each_further_one_after_its_share() -> None:
    clock = Clock()
    limit = RequestLimit(MOST, clock)
    assert sent(limit, "10.0.0.1", 2 * MOST) == MOST
    assert limit.wait_s("10.0.0.1") == 1
    clock.now += 3 * SHARE_S
    assert sent(limit, "10.0.0.1", MOST) == 3
    clock.now += 3600.0
    assert sent(limit, "10.0.0.1", 2 * MOST) == MOST


def test_a_client_that_asks_steadily_within_its_limit_never_waits() -> None:
    clock = Clock()
    limit = RequestLimit(MOST, clock)
    for _ in range(10 * MOST):
        clock.now += SHARE_S
        assert limit.wait_s("10.0.0.1") == 0


def test_the_wait_that_is_told_is_enough_and_no_request_of_the_wait_counts() -> None:
    clock = Clock()
    limit = RequestLimit(1, clock)
    assert limit.wait_s("10.0.0.1") == 0
    assert sent(limit, "10.0.0.1", 100) == 0
    clock.now += limit.wait_s("10.0.0.1")
    assert limit.wait_s("10.0.0.1") == 0


def test_one_client_costs_no_other_a_request_but_shares_them_with_its_network() -> None:
    limit = RequestLimit(MOST, Clock())
    assert sent(limit, "2001:db8::1", 2 * MOST) == MOST
    assert sent(limit, "2001:db8:0:1::1", 1) == 1
    assert sent(limit, "2001:db8::ffff", 1) == 0


def test_without_a_limit_all_requests_are_answered() -> None:
    assert sent(RequestLimit(0, Clock()), "10.0.0.1", 1000) == 1000


def test_as_many_clients_as_there_are_addresses_take_bounded_memory() -> None:
    limit = RequestLimit(1, Clock())
    assert sent(limit, "10.255.0.1", 2) == 1
    for number in range(MOST_CLIENTS):
        assert limit.wait_s(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}") == 0
    assert sent(limit, "10.255.0.1", 2) == 1
