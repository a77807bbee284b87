"""Counts the different wrong tokens of each client, so that none can try many."""

from __future__ import annotations

import math
import time
from collections import deque
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MOST: Final = 10  # within PERIOD_S
PERIOD_S: Final = 60.0
MOST_CLIENTS: Final = 10_000
NETWORK_BITS: Final = 64  # of an IPv6 address; a client chooses the others


class WrongTokens:
    """The latest wrong tokens of each client, with their times."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tried: dict[str, deque[tuple[float, int]]] = {}

    def wait_s(self, address: str) -> int:
        """Return for how many seconds a client may bring no token; 0 if it may."""
        tried = self._tried.get(_client(address))
        if tried is None or len(tried) < MOST:
            return 0
        return max(0, math.ceil(tried[0][0] + PERIOD_S - self._clock()))

    def add(self, address: str, token: str) -> None:
        """Count a wrong token, once if it is repeated. The client that was counted first is forgotten for a new one."""
        client = _client(address)
        if client not in self._tried and len(self._tried) >= MOST_CLIENTS:
            del self._tried[next(iter(self._tried))]
        tried = self._tried.setdefault(client, deque(maxlen=MOST))
        if hash(token) not in {one for _, one in tried}:
            tried.append((self._clock(), hash(token)))


def _client(address: str) -> str:
    """Return what the addresses of one client have in common."""
    try:
        found = ip_address(address)
    except ValueError:  # of a socket of the machine
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or int(found) >> (128 - NETWORK_BITS))
