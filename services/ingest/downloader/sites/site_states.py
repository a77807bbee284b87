"""A state for each site that all downloaders share: one value of the broker, changed by compare-and-set.

A decision is a pure function of the states and the broker's time. It is made again when another downloader has written
in between.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ingest.shared.broker.bus import BusError
from ingest.shared.broker.topology import GOVERNOR_BUCKET
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ingest.shared.broker.bus import Entry

TRIES = 200
T = TypeVar("T")
State = TypeVar("State")  # a dataclass
log = get_logger(__name__)


class KeyStore(Protocol):
    """A key-value bucket with compare-and-set, and a clock that all downloaders share."""

    def read_key(self, bucket: str, key: str) -> Entry | None:
        """Return the value of a key and its revision."""

    def replace_key(self, bucket: str, key: str, data: bytes, revision: int) -> bool:
        """Write a value if the key is still at that revision (0: it does not exist); return whether it was."""

    def clock(self) -> datetime:
        """Return the broker's time."""


class SiteStates(Generic[State]):
    """The states under one key. `parse` reads one of them at a time, `fewest` bounds how many are kept."""

    def __init__(
        self,
        keys: KeyStore,
        key: str,
        parse: Callable[[dict[str, Any], float], State],
        fewest: Callable[[dict[str, State]], dict[str, State]],
    ) -> None:
        self._keys = keys
        self._key = key
        self._parse = parse
        self._fewest = fewest
        self._rng = random.Random()  # noqa: S311 (jitter)

    def read(self) -> tuple[dict[str, State], float]:
        """Return the states and the broker's time."""
        states, _, now = self._read()
        return states, now

    def update(self, decide: Callable[[dict[str, State], float], tuple[dict[str, State], T]]) -> T:
        """Write the states after a decision and return the decision; decide again after a concurrent write."""
        for _ in range(TRIES):
            before, revision, now = self._read()
            after, result = decide(before, now)
            if after == before:
                return result
            data = json.dumps(_stored(self._fewest(after))).encode()
            if self._keys.replace_key(GOVERNOR_BUCKET, self._key, data, revision):
                return result
            time.sleep(self._rng.uniform(0.0, 0.05))
        raise BusError(f"{TRIES} concurrent writes of the state of the {self._key}")

    def _read(self) -> tuple[dict[str, State], int, float]:
        entry = self._keys.read_key(GOVERNOR_BUCKET, self._key)
        now = self._keys.clock().timestamp()
        return ({}, 0, now) if entry is None else (self._parsed(entry.data, now), entry.revision, now)

    def _parsed(self, data: bytes, now: float) -> dict[str, State]:
        """Return the stored states; unreadable ones are dropped, because the next failing request restores them."""
        try:
            return {str(site): self._parse(stored, now) for site, stored in json.loads(data).items()}
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
            log.error("site_states_unreadable", key=self._key, error=str(error))  # noqa: TRY400 (no traceback)
            return {}


def _stored(states: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return states without the fields that are at their default: an older program may lack them."""
    defaults = {one.name: one.default for state in list(states.values())[:1] for one in fields(state)}
    return {
        site: {name: value for name, value in vars(state).items() if value != defaults[name]}
        for site, state in states.items()
    }
