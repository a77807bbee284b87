"""The rate limiter: a budget and a circuit breaker for each site, shared by all downloaders through the broker.

`rate_limit` decides; this file carries the decisions out, by compare-and-set (`site_states`). YouTube has a budget and
a circuit for each exit (`exits`). A request without a permit raises SOURCE_RATE_LIMITED, which postpones the video and
does not count as an attempt.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ingest.downloader.exits import ONLY, YOUTUBE, Exit, exits, is_youtube
from ingest.downloader.sites import rate_limit
from ingest.downloader.sites.rate_limit import Budget, Permit, SiteState
from ingest.downloader.sites.site_states import SiteStates
from ingest.shared.broker.bus import BusError
from ingest.shared.errors import Code, IngestError
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.downloader.settings import DownloaderSettings
    from ingest.downloader.sites.site_states import KeyStore

KEY = "sites"
REQUEST_COST = 0.5  # a video makes two requests: one when it is checked, one when it is downloaded
LONGEST_OPEN_S = 7 * 86_400.0
LONGEST_REASON = 200
MOST_SITES = 500  # of any feed, also one whose every episode is on a site of its own
ELSEWHERE_S = 1.0
PROXY_REST_S = 600.0
ACCOUNT_REST_S = 600.0
UNREACHED = frozenset({Code.NETWORK_ERROR, Code.NETWORK_TIMEOUT, Code.DEADLINE_EXCEEDED, Code.JOB_CRASHED})
NO_LIMIT = Budget(per_hour=1e9, burst=1e9)  # for sites that have only a circuit breaker

_FIELDS = frozenset(field.name for field in fields(SiteState))
Sites = dict[str, SiteState]
log = get_logger(__name__)


class RateLimiter:
    """Grants permits for requests to sites, and records their results. `youtube` is the budget of each exit."""

    def __init__(self, keys: KeyStore, youtube: Budget, through: Sequence[Exit] = ONLY) -> None:
        self._states = SiteStates(keys, KEY, _state, _fewest)
        self._youtube = youtube
        self._exits = {one.site: one for one in through}

    @contextmanager
    def permit(self, site: str | None, wanted: int | None = None, login: bool = False) -> Iterator[Exit | None]:  # noqa: FBT001, FBT002 (see Breaker)
        """Run the `with` block, which makes a request to a site; raise SOURCE_RATE_LIMITED instead, with a time.

        Yield the exit for a request to YouTube: the one with the number `wanted`, unless it is held; with `login`, one
        that has an account. While an account rests, its exit is yielded without it. Without a site (a local file)
        nothing is limited.
        """
        if site is None:
            yield None
            return
        name, is_guest = self._request(site, wanted, login=login)
        way = self._exits.get(name)
        try:
            yield replace(way, cookies_file=None) if way is not None and is_guest else way
        except IngestError as error:
            self._record(name, error)
            became = self._elsewhere(name, error)
            if became is error:
                raise
            raise became from error
        self._record(name, None, is_guest=is_guest)

    def refuse_while_open(self) -> Exit:
        """Return an exit whose circuit is not open; raise SOURCE_RATE_LIMITED without one. Write nothing.

        For `ingest run` and `submit`, which list a channel: their broker user may read the state, but not write it.
        """
        sites, now = self._states.read()
        free = [one for name, one in self._exits.items() if name not in sites or sites[name].open_until <= now]
        if free:
            return free[0]
        name, state = min(((name, sites[name]) for name in self._exits), key=lambda one: one[1].open_until)
        until = datetime.fromtimestamp(state.open_until, UTC)
        text = f"{name} is rate limited until {until:%Y-%m-%d %H:%M} UTC: {state.reason}"
        raise IngestError(Code.SOURCE_RATE_LIMITED, text, retry_at=until)

    def sites(self) -> Sites:
        """Return the present state of all sites, with the tokens added up to now; all exits are among them."""
        sites, now = self._states.read()
        for name in self._exits:
            sites.setdefault(name, rate_limit.initial(self._youtube, now))
        return {site: rate_limit.filled(state, self._budget(site), now) for site, state in sites.items()}

    def _budget(self, site: str) -> Budget:
        return self._youtube if is_youtube(site) else NO_LIMIT

    def _request(self, site: str, wanted: int | None, *, login: bool) -> tuple[str, bool]:
        """Return the name of the site, or of the exit to it, that permits a request, and whether without account."""
        try:
            name, permit, is_guest = self._states.update(
                lambda sites, now: self._take(
                    sites, self._names(sites, site, wanted, now, login=login), now, login=login
                )
            )
        except BusError as error:
            raise IngestError(Code.SOURCE_RATE_LIMITED, f"the rate limit cannot be read: {error}") from error
        if not permit.is_granted:
            again_at = datetime.fromtimestamp(permit.again_at, UTC)
            raise IngestError(Code.SOURCE_RATE_LIMITED, f"{name}: {permit.reason}", retry_at=again_at)
        return name, is_guest

    def _names(self, sites: Sites, site: str, wanted: int | None, now: float, *, login: bool) -> list[str]:
        """Return a site, or the exits to it in the order in which they are asked for a permit."""
        if site != YOUTUBE:
            return [site]
        names = self._order(sites, wanted, now)
        with_account = [name for name, one in self._exits.items() if one.cookies_file]
        if not login or not with_account:
            return names
        resting = [(sites[name].guest_until, name) for name in with_account if _rests(sites.get(name), now)]
        free = [name for name in with_account if not _rests(sites.get(name), now)]
        return [name for name in names if name in free] or free or [min(resting)[1]]

    def _take(
        self, sites: Sites, names: list[str], now: float, *, login: bool
    ) -> tuple[Sites, tuple[str, Permit, bool]]:
        """Take the first permit that one of the sites or exits grants, or the earliest refusal."""
        refused: list[tuple[float, str, SiteState, Permit]] = []
        for name in names:
            if name not in sites and not is_youtube(name):
                return sites, (name, Permit(True), False)
            known = sites.get(name)
            is_guest = _rests(known, now)
            if known is not None and is_guest and login:
                return sites, (name, Permit(False, known.guest_until, known.account), True)
            budget = self._budget(name)
            state, permit = rate_limit.take(known or rate_limit.initial(budget, now), budget, now, REQUEST_COST)
            if permit.is_granted:
                return {**sites, name: state}, (name, permit, is_guest)
            refused.append((permit.again_at, name, state, permit))
        _, name, state, permit = min(refused, key=lambda one: one[:2])
        return {**sites, name: state}, (name, permit, False)

    def _order(self, sites: Sites, wanted: int | None, now: float) -> list[str]:
        """Return the exits in the order in which they are asked for a permit.

        A recording stays with the exit that it wants, unless it is held. Otherwise an exit that waits for a probe comes
        first, then the one with the most left of its budget.
        """
        states = {name: sites.get(name) or rate_limit.initial(self._youtube, now) for name in self._exits}
        for name, one in self._exits.items():
            if one.number == wanted and not states[name].is_open:
                return [name]

        def rank(name: str) -> tuple[bool, float]:
            state = states[name]
            return not state.is_open, -rate_limit.filled(state, self._youtube, now).tokens

        return sorted(states, key=rank)

    def _elsewhere(self, name: str, error: IngestError) -> IngestError:
        """Return the error of a request; if the exit is at fault and another is free, one that asks there at once."""
        if name not in self._exits or not _is_exits(self._exits[name], error):
            return error
        try:
            sites, now = self._states.read()
        except BusError:
            return error
        others = (sites.get(other) for other in self._exits if other != name)
        if error.code is Code.ENV_COOKIES or any(state is None or state.open_until <= now for state in others):
            at = datetime.fromtimestamp(now, UTC) + timedelta(seconds=ELSEWHERE_S)
            return IngestError(
                Code.SOURCE_RATE_LIMITED, f"{name}: {error.message}; asked again without it", retry_at=at
            )
        return error

    def _record(self, site: str, error: IngestError | None, *, is_guest: bool = True) -> None:
        """Record the result of a request; if the broker is unreachable, the next request records its own."""

        def decide(sites: Sites, now: float) -> tuple[Sites, None]:
            after = self._after(sites, site, error, now)
            if error is None and not is_guest and site in after:
                after = {**after, site: replace(after[site], guest_until=0.0, account="")}
            return after, None

        try:
            state = None if error is not None else self._states.read()[0].get(site)
            if state is None or state.is_open or (state.guest_until and not is_guest):
                self._states.update(decide)
        except BusError as trouble:
            log.warning("rate_limiter_not_updated", site=site, error=str(trouble))

    def _after(self, sites: Sites, site: str, error: IngestError | None, now: float) -> Sites:
        """Return the sites after a request to one of them."""
        state = sites.get(site)
        if error is not None and error.code is Code.ENV_COOKIES and site in self._exits:
            log.error("account_refused", site=site, error=error.message)
            state = state or rate_limit.initial(self._youtube, now)
            return {**sites, site: replace(state, guest_until=now + ACCOUNT_REST_S, account=error.message)}
        until = _rest_until(self._exits.get(site), error, now) if error is not None else None
        if error is not None and until is not None:
            log.error(
                "site_limits_us", site=site, until=datetime.fromtimestamp(until, UTC).isoformat(), code=error.code
            )
            state = state or SiteState(0.0, now)
            if is_youtube(site) and error.code is Code.SOURCE_RATE_LIMITED:
                state = rate_limit.halved(state, self._youtube, now)
            state = rate_limit.throttled(state, now, until, error.message)
        elif state is None:
            return sites
        elif error is not None and error.code in UNREACHED:
            state = rate_limit.probe_failed(state)
        else:
            state = rate_limit.succeeded(state, now)
            if not is_youtube(site) and not state.is_open:
                return {name: other for name, other in sites.items() if name != site}
        return {**sites, site: state}


def limiter_of(settings: DownloaderSettings, keys: KeyStore) -> RateLimiter:
    """Return the rate limiter with the budget and the exits of the settings."""
    return RateLimiter(keys, Budget(settings.site_videos_per_hour, settings.site_burst), exits(settings))


def _rest_until(through: Exit | None, error: IngestError, now: float) -> float | None:
    """Return until when a site or an exit is held after an error; None when neither is at fault."""
    if error.code is Code.SOURCE_RATE_LIMITED:
        return error.retry_at.timestamp() if error.retry_at else now + rate_limit.HOUR_S
    return now + PROXY_REST_S if through is not None and _is_exits(through, error) else None


def _is_exits(through: Exit, error: IngestError) -> bool:
    """Return whether an error is that of an exit, its proxy or its account."""
    is_proxys = error.code is Code.PROXY_REFUSED and through.proxy is not None
    return is_proxys or error.code in (Code.SOURCE_RATE_LIMITED, Code.ENV_COOKIES)


def _rests(state: SiteState | None, now: float) -> bool:
    """Return whether the account of an exit rests."""
    return state is not None and state.guest_until > now


def _state(stored: dict[str, Any], now: float) -> SiteState:
    """Return the state of a site; raise ValueError or TypeError for what no downloader writes.

    A time is at most `LONGEST_OPEN_S` ahead: another program must not close a site for ever.
    """
    state = SiteState(**{name: value for name, value in stored.items() if name in _FIELDS})  # a newer one has more
    times = (
        state.tokens,
        state.at,
        state.promised_at,
        state.open_until,
        state.probe_until,
        state.per_hour,
        state.guest_until,
    )
    if not all(map(math.isfinite, times)):
        raise ValueError("a number is not finite")
    latest = now + LONGEST_OPEN_S
    return SiteState(
        tokens=float(state.tokens),
        at=min(state.at, latest),
        promised_at=max(0.0, min(state.promised_at, latest)),
        open_until=max(0.0, min(state.open_until, latest)),
        probe_until=max(0.0, min(state.probe_until, latest)),
        reason=shorten(str(state.reason), LONGEST_REASON),
        per_hour=max(0.0, float(state.per_hour)),
        guest_until=max(0.0, min(state.guest_until, now + ACCOUNT_REST_S)),
        account=shorten(str(state.account), LONGEST_REASON),
    )


def _fewest(sites: Sites) -> Sites:
    """Return the exits to YouTube, and the sites that were limited last: the broker limits the size of a value."""
    latest = sorted(sites, key=lambda site: (is_youtube(site), sites[site].open_until), reverse=True)[:MOST_SITES]
    return {site: state for site, state in sites.items() if site in latest}
