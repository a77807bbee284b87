"""The stages of sites that the breaker holds: the shared state, and its form in commands and metrics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ingest.downloader.sites import trouble
from ingest.downloader.sites.site_states import SiteStates
from ingest.downloader.sites.trouble import LONGEST_HOLD_S, ROW, Trouble
from ingest.shared.errors import RULES, Code
from ingest.shared.outgoing import line
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from ingest.downloader.sites.site_states import KeyStore

KEY = "troubles"
LATE_CLOCK_S = 60.0
LONGEST_WORDS = 200
LONGEST_URL = 100
MOST_SITES = 300  # the state is one value of the broker, of limited size


@dataclass(frozen=True)
class Hold:
    """A stage of a site that is held: since when, the code and words of its recordings, and the next probe."""

    site: str
    stage: str
    code: Code
    words: str
    since: datetime
    next_at: datetime

    def __str__(self) -> str:
        """Return it as a sentence."""
        since = f"{self.since:%Y-%m-%d %H:%M} UTC"
        return f"{self.site} is held since {since}: recordings fail one after the other ({self.stage}): {self.reason}"

    @property
    def reason(self) -> str:
        """Return the code and the words."""
        return f"{self.code}: {self.words}"

    @property
    def advice(self) -> str:
        """Return what a person can do."""
        return RULES[self.code].advice

    def lines(self) -> list[str]:
        """Return since when it is held, in which words, and what a person can do, for a screen."""
        next_at = f"{self.next_at:%Y-%m-%d %H:%M:%S} UTC"
        return [line(str(self)), f"  its recordings wait, uncounted; one is tried at {next_at}; {self.advice}"]


class Troubles:
    """The state of the breaker, to be read."""

    def __init__(self, keys: KeyStore) -> None:
        self.states = SiteStates(keys, KEY, _state, _fewest)

    def holds(self) -> list[Hold]:
        """Return what is held now."""
        states, now = self.states.read()
        return [hold_of(name, state) for name, state in sorted(states.items()) if state.is_held(now)]


def hold_of(name: str, state: Trouble) -> Hold:
    """Return what is held under the name of a state."""
    stage, _, site = name.partition(":")
    code = Code(state.code)
    since, next_at = (datetime.fromtimestamp(at, UTC) for at in (state.since, state.next_at))
    return Hold(site, stage, code, state.words, since, next_at)


def _state(stored: dict[str, Any], now: float) -> Trouble:
    """Return the state of a stage of a site; raise ValueError or TypeError for what no downloader writes."""
    state = Trouble(**stored)
    times = (state.since, state.pause_s, state.next_at, state.probe_until, state.canary_at)
    if not all(map(math.isfinite, times)):
        raise ValueError("a number is not finite")
    latest = now + LONGEST_HOLD_S
    return Trouble(
        code=Code(state.code) if state.code else "",
        words=shorten(str(state.words), LONGEST_WORDS),
        since=state.since if 0 <= state.since <= now + LATE_CLOCK_S else 0.0,  # 0: over
        failed=tuple(str(one)[:LONGEST_URL] for one in state.failed)[-ROW:],
        pause_s=max(0.0, min(state.pause_s, trouble.LONGEST_PAUSE_S)) if state.code else 0.0,
        next_at=max(0.0, min(state.next_at, latest)),
        probe_until=max(0.0, min(state.probe_until, now + trouble.PROBE_S)),
        canary=str(state.canary)[:LONGEST_URL],
        canary_at=max(0.0, min(state.canary_at, now)),
    )


def _fewest(states: dict[str, Trouble]) -> dict[str, Trouble]:
    """Return the states that matter most: those that are held, and those with the latest failures."""
    latest = sorted(states, key=lambda name: (bool(states[name].canary), states[name].pause_s > 0, states[name].since))
    kept = set(latest[-MOST_SITES:])
    return {name: state for name, state in states.items() if name in kept}
