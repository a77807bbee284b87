"""How many wrong tokens a client may try."""

from __future__ import annotations

import pytest

from ingest.archive.web.access.client_key import MOST_CLIENTS
from ingest.archive.web.access.wrong_tokens import MOST, PERIOD_S, WrongTokens


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def tried(tokens: WrongTokens, address: str, count: int) -> int:
    """Try different wrong tokens; return the wait after them."""
    for number in range(count):
        tokens.add(address, f"Bearer {number}")
    return tokens.wait_s(address)


def test_a_client_waits_until_its_first_wrong_token_is_a_minute_old() -> None:
    clock = Clock()
    tokens = WrongTokens(clock)
    assert tried(tokens, "10.0.0.1", MOST - 1) == 0
    clock.now += 20
    tokens.add("10.0.0.1", "Bearer one more")
    assert tokens.wait_s("10.0.0.1") == PERIOD_S - 20
    clock.now += PERIOD_S - 20
    assert tokens.wait_s("10.0.0.1") == 0


def test_wrong_tokens_of_many_minutes_are_no_reason_to_wait() -> None:
    clock = Clock()
    tokens = WrongTokens(clock)
    for number in range(10 * MOST):
        clock.now += 7
        tokens.add("10.0.0.1", f"Bearer {number}")
        assert tokens.wait_s("10.0.0.1") == 0


def test_a_program_that_repeats_an_old_token_keeps_no_other_of_its_machine_from_an_answer() -> None:
    tokens = WrongTokens()
    for _ in range(1000):
        tokens.add("127.0.0.1", "Bearer of last year")
    assert tokens.wait_s("127.0.0.1") == 0


@pytest.mark.parametrize(
    ("first", "other", "is_same"),
    [
        pytest.param("10.0.0.1", "10.0.0.2", False, id="another client"),
        pytest.param("10.0.0.1", "::ffff:10.0.0.1", True, id="the same address as IPv6"),
        pytest.param("2001:db8::1", "2001:db8::ffff:1", True, id="another address of the same network"),
        pytest.param("2001:db8::1", "2001:db8:0:1::1", False, id="another network"),
        pytest.param("fe80::1%eth0", "fe80::2%eth0", True, id="link-local"),
        pytest.param("", "", True, id="no address"),
    ],
)
def test_a_client_is_known_by_its_address(first: str, other: str, is_same: bool) -> None:  # noqa: FBT001 (a table)
    tokens = WrongTokens()
    assert tried(tokens, first, MOST) > 0
    assert (tokens.wait_s(other) > 0) == is_same


def test_as_many_clients_as_there_are_addresses_take_bounded_memory() -> None:
    tokens = WrongTokens()
    tried(tokens, "10.255.0.1", MOST)
    for number in range(MOST_CLIENTS):
        tokens.add(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", "Bearer x")
    assert tokens.wait_s("10.255.0.1") == 0
    assert tried(tokens, "10.255.0.1", MOST) > 0
