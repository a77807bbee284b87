"""A value that is read again after some seconds: the names of all speakers take longer to read than an answer."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")


class KeptValue(Generic[Value]):
    """Keeps what `make` returns for `for_s` seconds. While one thread makes it again, the others get the old value."""

    def __init__(self, make: Callable[[], Value], for_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._make, self._for_s, self._clock = make, for_s, clock
        self._turn = threading.Lock()
        self._made: tuple[Value, float] | None = None

    def get(self) -> Value:
        """Return the value; an error of `make` is raised, and nothing is kept of it."""
        made = self._made
        if made is not None and (self._clock() < made[1] or self._turn.locked()):
            return made[0]
        with self._turn:
            if self._made is None or self._made is made:
                self._made = (self._make(), self._clock() + self._for_s)
            return self._made[0]
