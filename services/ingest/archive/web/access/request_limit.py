"""Limits the requests of each client, so that none takes the answers of the others.

A client may use the requests of a minute at once; then each further one takes its share of a minute to come back. Of a
client, one number is kept: when all its requests are back (the generic cell rate algorithm).
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

from ingest.archive.web.access.client_key import MOST_CLIENTS, client_key

if TYPE_CHECKING:
    from collections.abc import Callable

PERIOD_S: Final = 60.0
ROUNDING_S: Final = 1e-6  # of a sum of many small numbers


class RequestLimit:
    """Counts requests. `most` are those that a client may send in a minute; 0: as many as it likes."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._full_at: dict[str, float] = {}  # the client that has asked last comes last

    def wait_s(self, address: str) -> int:
        """Count a request and return 0; if it is one too many, return for how many seconds the client has to wait.

        The client that has not asked for the longest time is forgotten for a new one.
        """
        if not self._most:
            return 0
        now, client = self._clock(), client_key(address)
        full_at = max(now, self._full_at.pop(client, now)) + PERIOD_S / self._most
        early_s = full_at - now - PERIOD_S
        refused = early_s > ROUNDING_S
        if len(self._full_at) >= MOST_CLIENTS:
            del self._full_at[next(iter(self._full_at))]
        self._full_at[client] = full_at - PERIOD_S / self._most if refused else full_at
        return math.ceil(early_s) if refused else 0
