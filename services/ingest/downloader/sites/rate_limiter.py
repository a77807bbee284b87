"""The rate limiter: a budget and a circuit breaker for each site, shared by all downloaders through the broker.

`rate_limit` decides; this file carries the decisions out, by compare-and-set (`site_states`). A request without a
permit raises SOURCE_RATE_LIMITED, which postpones the video and does not count as an attempt.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ingest.downloader.sites import rate_limit
from ingest.downloader.sites.rate_limit import Budget, Permit, SiteState
from ingest.downloader.sites.site_states import SiteStates
from ingest.downloader.sources.connector import YOUTUBE
from ingest.shared.broker.bus import BusError
from ingest.shared.errors import Code, IngestError
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.downloader.sites.site_states import KeyStore

KEY = "sites"
REQUEST_COST = 0.5  # a video makes two requests: one when it is checked, one when it is downloaded
LONGEST_OPEN_S = 7 * 86_400.0
LONGEST_REASON = 200
MOST_WAITING = 1_000_000
MOST_SITES = 500  # of any feed, also one whose every episode is on a site of its own
UNREACHED = frozenset({Code.NETWORK_ERROR, Code.NETWORK_TIMEOUT, Code.DEADLINE_EXCEEDED, Code.JOB_CRASHED})
NO_LIMIT = Budget(per_hour=1e9, burst=1e9)  # for sites that have only a circuit breaker

Sites = dict[str, SiteState]
log = get_logger(__name__)


class RateLimiter:
    """Grants permits for requests to sites, and records their results."""

    def __init__(self, keys: KeyStore, youtube: Budget) -> None:
        self._states = SiteStates(keys, KEY, _state, _fewest)
        self._youtube = youtube

    @contextmanager
    def permit(self, site: str | None) -> Iterator[None]:
        """Run the `with` block, which makes a request to a site; raise SOURCE_RATE_LIMITED instead, with a time.

        Without a site (a local file) nothing is limited.
        """
        if site is None:
            yield
            return
        self._request(site)
        try:
            yield
        except IngestError as error:
            self._record(site, error)
            raise
        self._record(site, None)

    def refuse_while_open(self) -> None:
        """Raise SOURCE_RATE_LIMITED while YouTube's circuit is open; write nothing.

        For `ingest run` and `submit`, which list a channel: their broker user may read the state, but not write it.
        """
        sites, now = self._states.read()
        state = sites.get(YOUTUBE)
        if state is not None and state.open_until > now:
            until = datetime.fromtimestamp(state.open_until, UTC)
            text = f"{YOUTUBE} is rate limited until {until:%Y-%m-%d %H:%M} UTC: {state.reason}"
            raise IngestError(Code.SOURCE_RATE_LIMITED, text, retry_at=until)

    def sites(self) -> Sites:
        """Return the present state of all sites, with the tokens added up to now; YouTube is always among them."""
        sites, now = self._states.read()
        sites.setdefault(YOUTUBE, rate_limit.initial(self._youtube, now))
        return {site: rate_limit.filled(state, self._budget(site), now) for site, state in sites.items()}

    def _budget(self, site: str) -> Budget:
        return self._youtube if site == YOUTUBE else NO_LIMIT

    def _request(self, site: str) -> None:
        try:
            permit = self._states.update(lambda sites, now: self._take(sites, site, now))
        except BusError as error:
            raise IngestError(Code.SOURCE_RATE_LIMITED, f"the rate limit cannot be read: {error}") from error
        if not permit.is_granted:
            again_at = datetime.fromtimestamp(permit.again_at, UTC)
            raise IngestError(Code.SOURCE_RATE_LIMITED, f"{site}: {permit.reason}", retry_at=again_at)

    def _take(self, sites: Sites, site: str, now: float) -> tuple[Sites, Permit]:
        if site != YOUTUBE and site not in sites:
            return sites, Permit(True)
        budget = self._budget(site)
        before = sites.get(site) or rate_limit.initial(budget, now)
        state, permit = rate_limit.take(before, budget, now, REQUEST_COST)
        return {**sites, site: state}, permit

    def _record(self, site: str, error: IngestError | None) -> None:
        """Record the result of a request; if the broker is unreachable, the next request records its own."""

        def decide(sites: Sites, now: float) -> tuple[Sites, None]:
            return _after(sites, site, error, now), None

        try:
            if error is not None or (state := self._states.read()[0].get(site)) is None or state.is_open:
                self._states.update(decide)
        except BusError as trouble:
            log.warning("rate_limiter_not_updated", site=site, error=str(trouble))


def _state(stored: dict[str, Any], now: float) -> SiteState:
    """Return the state of a site; raise ValueError or TypeError for what no downloader writes.

    A time is at most `LONGEST_OPEN_S` ahead: another program must not close a site for ever.
    """
    state = SiteState(**stored)
    if not all(map(math.isfinite, (state.tokens, state.at, state.waiting, state.open_until, state.probe_until))):
        raise ValueError("a number is not finite")
    latest = now + LONGEST_OPEN_S
    return SiteState(
        tokens=float(state.tokens),
        at=min(state.at, latest),
        waiting=max(0, min(int(state.waiting), MOST_WAITING)),
        open_until=max(0.0, min(state.open_until, latest)),
        probe_until=max(0.0, min(state.probe_until, latest)),
        reason=shorten(str(state.reason), LONGEST_REASON),
    )


def _fewest(sites: Sites) -> Sites:
    """Return YouTube and the sites that were limited last: the state is one value of the broker, of limited size."""
    latest = sorted(sites, key=lambda site: (site == YOUTUBE, sites[site].open_until), reverse=True)[:MOST_SITES]
    return {site: state for site, state in sites.items() if site in latest}


def _after(sites: Sites, site: str, error: IngestError | None, now: float) -> Sites:
    """Return the sites after a request to one of them."""
    state = sites.get(site)
    if error is not None and error.code is Code.SOURCE_RATE_LIMITED:
        until = error.retry_at.timestamp() if error.retry_at else now + rate_limit.HOUR_S
        log.error("site_limits_us", site=site, until=datetime.fromtimestamp(until, UTC).isoformat())
        state = rate_limit.throttled(state or SiteState(0.0, now), now, until, error.message)
    elif state is None:
        return sites
    elif error is not None and error.code in UNREACHED:
        state = rate_limit.probe_failed(state)
    else:
        state = rate_limit.succeeded(state, now)
        if site != YOUTUBE and not state.is_open:
            return {name: other for name, other in sites.items() if name != site}
    return {**sites, site: state}
