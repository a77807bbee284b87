"""Counts the different wrong tokens of each client, so that none can try many."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from ingest.archive.web.access.client_key import MOST_CLIENTS, client_key

if TYPE_CHECKING:
    from collections.abc import Callable

MOST: Final = 10  # within PERIOD_S
PERIOD_S: Final = 60.0


class WrongTokens:
    """The latest wrong tokens of each client, with their times."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tried: dict[str, deque[tuple[float, int]]] = {}

    def wait_s(self, address: str) -> int:
        """Return for how many seconds a client may bring no token; 0 if it may."""
        tried = self._tried.get(client_key(address))
        if tried is None or len(tried) < MOST:
            return 0
        return max(0, math.ceil(tried[0][0] + PERIOD_S - self._clock()))

    def add(self, address: str, token: str) -> None:
        """Count a wrong token, once if it is repeated. The client that was counted first is forgotten for a new one."""
        client = client_key(address)
        if client not in self._tried and len(self._tried) >= MOST_CLIENTS:
            del self._tried[next(iter(self._tried))]
        tried = self._tried.setdefault(client, deque(maxlen=MOST))
        if hash(token) not in {one for _, one in tried}:
            tried.append((self._clock(), hash(token)))
