"""The governor: one budget and one circuit for each site, shared by all downloaders through a key of the broker.

The decisions are in `budget`; here they are carried out by compare-and-set: read, decide, write if nobody else has
written since, else again. Whoever may not go on is postponed (SOURCE_RATE_LIMITED), which costs a video no attempt.
"""

from __future__ import annotations

import json
import random
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import urlsplit

from ingest.downloader import rate_limit
from ingest.downloader.rate_limit import Budget, Leave, SiteState
from ingest.shared.broker.bus import BusError
from ingest.shared.broker.topology import GOVERNOR_BUCKET
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Source, SourceKind
from ingest.shared.telemetry import metrics
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingest.shared.broker.bus import Entry

KEY = "sites"
YOUTUBE = "youtube"
LOOK_COST = 0.5  # a video is looked at twice: when it is checked, and when it is downloaded
TRIES = 200
LOOK_EVERY_S = 15.0
UNHEARD = frozenset({Code.NETWORK_ERROR, Code.NETWORK_TIMEOUT, Code.DEADLINE_EXCEEDED, Code.JOB_CRASHED})
NO_LIMIT = Budget(per_hour=1e9, burst=1e9)  # for sites that have a circuit only

T = TypeVar("T")
Sites = dict[str, SiteState]
log = get_logger(__name__)


class Keys(Protocol):
    """Where the state is kept: a key-value bucket with compare-and-set, and a clock that all share."""

    def read_key(self, bucket: str, key: str) -> Entry | None:
        """Return the value of a key and its revision."""

    def replace_key(self, bucket: str, key: str, data: bytes, revision: int) -> bool:
        """Write a value if the key is still at that revision (0: not there); tell whether it was."""

    def clock(self) -> datetime:
        """Return the broker's time."""


def site_of(source: Source) -> str | None:
    """Return the site that a source is asked of, or None for a file of our own, and for an address that is none."""
    if source.kind is SourceKind.YOUTUBE:
        return YOUTUBE
    with suppress(ValueError):  # whoever asks it says what is wrong with it
        return urlsplit(source.url).hostname if source.kind is SourceKind.MEDIA else None
    return None


class Governor:
    """Asks for leave, and tells what came of it."""

    def __init__(self, keys: Keys, youtube: Budget) -> None:
        self._keys = keys
        self._youtube = youtube
        self._rng = random.Random()  # noqa: S311 (jitter)

    @contextmanager
    def leave(self, source: Source) -> Iterator[None]:
        """Let the `with` block ask a site; raise SOURCE_RATE_LIMITED with the time when it may not."""
        site = site_of(source)
        if site is None:
            yield
            return
        self._enter(site)
        try:
            yield
        except IngestError as error:
            self._tell(site, error)
            raise
        self._tell(site, None)

    def refuse_while_open(self) -> None:
        """Raise SOURCE_RATE_LIMITED with the time until when YouTube is left alone, if it is; write nothing.

        For whoever lists a channel: that is asked once, by somebody who may not touch the budget.
        """
        known, _, now = self._read()
        state = known.get(YOUTUBE)
        if state is not None and state.open_until > now:
            until = datetime.fromtimestamp(state.open_until, UTC)
            text = f"{YOUTUBE} is left alone until {until:%Y-%m-%d %H:%M} UTC: {state.reason}"
            raise IngestError(Code.SOURCE_RATE_LIMITED, text, retry_at=until)

    def sites(self) -> Sites:
        """Return the state of all sites as it is now, with the tokens that have come; YouTube's is always there."""
        known, _, now = self._read()
        known.setdefault(YOUTUBE, rate_limit.fresh(self._youtube, now))
        return {site: rate_limit.filled(state, self._limit(site), now) for site, state in known.items()}

    def _limit(self, site: str) -> Budget:
        return self._youtube if site == YOUTUBE else NO_LIMIT

    def _enter(self, site: str) -> None:
        try:
            given = self._change(lambda sites, now: self._take(sites, site, now))
        except BusError as error:
            raise IngestError(Code.SOURCE_RATE_LIMITED, f"the fleet's limit cannot be asked for: {error}") from error
        if not given.is_granted:
            again_at = datetime.fromtimestamp(given.again_at, UTC)
            raise IngestError(Code.SOURCE_RATE_LIMITED, f"{site}: {given.reason}", retry_at=again_at)

    def _take(self, sites: Sites, site: str, now: float) -> tuple[Sites, Leave]:
        if site != YOUTUBE and site not in sites:
            return sites, Leave(True)
        limit = self._limit(site)
        state, given = rate_limit.take(sites.get(site) or rate_limit.fresh(limit, now), limit, now, LOOK_COST)
        return {**sites, site: state}, given

    def _tell(self, site: str, error: IngestError | None) -> None:
        """Tell what a site has answered; a broker that is away learns it from the next one."""

        def told(sites: Sites, now: float) -> tuple[Sites, None]:
            return _after(sites, site, error, now), None

        try:
            if error is not None or (state := self._read()[0].get(site)) is None or state.is_open:
                self._change(told)
        except BusError as trouble:
            log.warning("governor_not_told", site=site, error=str(trouble))

    def _change(self, decide: Callable[[Sites, float], tuple[Sites, T]]) -> T:
        """Carry out a decision: again from the start when somebody else was faster."""
        for _ in range(TRIES):
            before, revision, now = self._read()
            after, answer = decide(before, now)
            if after == before:
                return answer
            data = json.dumps({site: asdict(state) for site, state in after.items()}).encode()
            if self._keys.replace_key(GOVERNOR_BUCKET, KEY, data, revision):
                return answer
            time.sleep(self._rng.uniform(0.0, 0.05))
        raise BusError(f"{TRIES} others were faster")

    def _read(self) -> tuple[Sites, int, float]:
        entry = self._keys.read_key(GOVERNOR_BUCKET, KEY)
        now = self._keys.clock().timestamp()
        return ({}, 0, now) if entry is None else (_sites(entry.data), entry.revision, now)


def _sites(data: bytes) -> Sites:
    """Return what is written; something else than we write is forgotten, for a limit is soon learned again."""
    try:
        return {str(site): SiteState(**state) for site, state in json.loads(data).items()}
    except (ValueError, TypeError, AttributeError) as error:
        log.error("governor_state_unreadable", error=str(error))  # noqa: TRY400 (no traceback: the text says it)
        return {}


def _after(sites: Sites, site: str, error: IngestError | None, now: float) -> Sites:
    """Return the sites after one of them has answered (or has not, in time)."""
    state = sites.get(site)
    if error is not None and error.code is Code.SOURCE_RATE_LIMITED:
        until = error.retry_at.timestamp() if error.retry_at else now + rate_limit.HOUR_S
        log.error("site_limits_us", site=site, until=datetime.fromtimestamp(until, UTC).isoformat())
        state = rate_limit.limited(state or SiteState(0.0, now), now, until, error.message)
    elif state is None:
        return sites
    elif error is not None and error.code in UNHEARD:
        state = rate_limit.unheard(state)
    else:
        state = rate_limit.answered(state, now)
        if site != YOUTUBE and not state.is_open:
            return {name: other for name, other in sites.items() if name != site}
    return {**sites, site: state}


class GovernorWatch:
    """Tells /metrics which circuits are open and what is left of the budget, in a thread of its own."""

    def __init__(self, governor: Governor) -> None:
        self._governor = governor
        self._known: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="governor", daemon=True)
        metrics.show(metrics.SITE_OPEN, metrics.SITE_HELD_UNTIL, metrics.SITE_BUDGET)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()

    def look(self) -> None:
        """Look once, in the calling thread."""
        try:
            sites = self._governor.sites()
        except BusError:
            sites = {}
        for site in self._known - sites.keys():
            metrics.SITE_OPEN.forget(site)
            metrics.SITE_HELD_UNTIL.forget(site)
        for site, state in sites.items():
            metrics.SITE_OPEN.tell(float(state.is_open), site)
            metrics.SITE_HELD_UNTIL.tell(state.open_until, site)
        self._tell_budget(sites.get(YOUTUBE))
        self._known = set(sites)

    @staticmethod
    def _tell_budget(youtube: SiteState | None) -> None:
        """Tell what is left; of a broker that is away nothing is known."""
        if youtube is None:
            metrics.SITE_BUDGET.forget(YOUTUBE)
        else:
            metrics.SITE_BUDGET.tell(youtube.tokens, YOUTUBE)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._stop.wait(LOOK_EVERY_S)
