"""Holds a stage of a site whose recordings fail one after the other, for a reason that may not be theirs.

`trouble` decides; this file carries the decisions out for all downloaders (`site_states`). A held recording gets
SITE_HELD, which is not counted as an attempt. The canary is asked under a permit of its own.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ingest.downloader.sites import trouble
from ingest.downloader.sites.holds import LONGEST_URL, LONGEST_WORDS, Troubles, hold_of
from ingest.downloader.sites.trouble import Trouble, Turn
from ingest.downloader.sources.registry import connector_of
from ingest.shared.broker.bus import BusError
from ingest.shared.errors import MAY_BE_THE_SITE, Code, IngestError, Outcome
from ingest.shared.messages import SourceKind, Stage, VideoAccessible
from ingest.shared.outgoing import redact
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ingest.downloader.exits import Exit
    from ingest.downloader.sites.given_up import GivenUp
    from ingest.downloader.sites.site_states import KeyStore
    from ingest.shared.messages import VideoMessage, VideoRequested

WHILE_PROBED_S = 15.0
log = get_logger(__name__)


class Breaker:
    """Grants turns to the recordings of one stage; `limited` gives permits of the rate limiter.

    `ask` asks a site whether the recording at an address can be had; without it, there is no canary. `given_up` keeps
    the recordings that fail for good before their site is held.
    """

    def __init__(
        self,
        keys: KeyStore,
        stage: Stage,
        limited: Callable[[str | None, int | None, bool], AbstractContextManager[Exit | None]],
        ask: Callable[[str, Exit | None], object] | None = None,
        given_up: GivenUp | None = None,
    ) -> None:
        self._states = Troubles(keys).states
        self._stage = stage
        self._limited = limited
        self._ask = ask
        self._given_up = given_up

    @contextmanager
    def permit(self, message: VideoRequested | VideoAccessible, login: bool = False) -> Iterator[Exit | None]:  # noqa: FBT001, FBT002 (a permit has two arguments)
        """Run the `with` block, which asks a site for a recording; raise SITE_HELD or SOURCE_RATE_LIMITED instead.

        Yield the exit through which YouTube is to be asked; with `login`, one that has an account.
        """
        site = _site(message)
        if site is None:
            yield None
            return
        name = f"{self._stage}:{site}"
        is_probe = self._begin(name)
        try:
            with self._limited(site, _wanted(message), login) as way:
                yield way
        except IngestError as error:
            became = self._failed(name, message.video_id, error, is_probe=is_probe)
            if became is error:
                raise
            raise became from error
        self._succeeded(name, message, is_probe=is_probe)

    def gave_up(self, message: VideoMessage, error: IngestError) -> None:
        """Keep a recording that has failed for good, for the end of its site's trouble."""
        site = _site(message)
        if self._given_up is not None and site is not None and error.code in MAY_BE_THE_SITE:
            self._given_up.keep(f"{self._stage}:{site}", message, error.code)

    def _begin(self, name: str) -> bool:
        """Return whether a recording is a probe; raise SITE_HELD when it has to wait."""
        try:
            states, now = self._states.read()
            state = states.get(name)
            if state is None or not state.is_held(now):
                return False
            got = self._states.update(lambda states, now: _turn(states, name, now))
        except BusError as error:
            text = f"the state of the sites cannot be read: {error}"
            raise IngestError(Code.SOURCE_RATE_LIMITED, text) from error
        if got is Turn.WAIT:
            raise _held_error(name, state, now)
        return got is Turn.PROBE and not self._canary_works(name, state)

    def _canary_works(self, name: str, state: Trouble) -> bool:
        """Return whether the canary ends the hold; raise SITE_HELD when it fails as the recordings do."""
        verdict = self._asked(name, state.canary)
        if verdict is False:
            held = self._change(name, trouble.held) or state
            raise _held_error(name, held, held.next_at)
        if verdict:
            self._end(name, "")
        return bool(verdict)

    def _asked(self, name: str, canary: str) -> bool | None:
        """Return whether the canary can be had; None without one, or when it is gone itself."""
        if self._ask is None or not canary:
            return None
        try:
            with self._limited(name.partition(":")[2], None, False) as way:
                self._ask(canary, way)
        except IngestError as error:
            if error.rule.outcome is Outcome.POSTPONED:
                self._change(name, lambda state, _now: trouble.released(state))
                raise
            if error.code in MAY_BE_THE_SITE:
                return False
            self._change(name, lambda state, _now: trouble.without_canary(state))
            return None
        return True

    def _failed(self, name: str, recording: str, error: IngestError, *, is_probe: bool) -> IngestError:
        """Record a failure; return the error, or SITE_HELD in its place."""
        if error.code not in MAY_BE_THE_SITE:
            if is_probe:
                self._change(name, lambda state, _now: trouble.released(state))
            return error
        words = shorten(redact(error.message), LONGEST_WORDS)
        if is_probe or self._is_against_the_site(name, recording, error.code, words):
            log.error("site_held", site=name, code=error.code, error=words)
            self._change(name, trouble.held)
        with suppress(BusError):
            states, now = self._states.read()
            if (state := states.get(name)) is not None and state.is_held(now):
                return _held_error(name, state, now)
        return error

    def _is_against_the_site(self, name: str, recording: str, code: Code, words: str) -> bool:
        """Add a failure to the row; when the row is full, return what the canary says."""

        def decide(states: dict[str, Trouble], now: float) -> tuple[dict[str, Trouble], str | None]:
            state, is_full = trouble.failed(states.get(name, Trouble()), recording, code, words, now)
            return {**states, name: state}, state.canary if is_full else None

        try:
            canary = self._states.update(decide)
            if canary is None:
                return False
            works = self._asked(name, canary)
        except (BusError, IngestError) as error:  # a limit: the next failure asks the canary again
            log.warning("site_not_judged", site=name, error=str(error))
            return False
        if works:
            self._end(name, "")
        return not works

    def _succeeded(self, name: str, message: VideoMessage, *, is_probe: bool) -> None:
        """Record that a recording could be had; one that was asked for before the hold does not end it."""
        canary = message.source.url if self._ask is not None and message.source.kind is SourceKind.YOUTUBE else ""
        canary = canary if len(canary) <= LONGEST_URL else ""
        self._end(name, canary, unless_held=not is_probe)
        if is_probe:
            log.warning("site_goes_on", site=name)

    def _end(self, name: str, canary: str, *, unless_held: bool = False) -> None:
        """Record that a recording or the canary could be had; ask again for what was given up during a hold."""
        ended = Trouble()

        def change(state: Trouble, now: float) -> Trouble:
            nonlocal ended
            after = state if unless_held and state.is_held(now) else trouble.succeeded(state, canary, now)
            ended = state if state.code and not after.code else Trouble()
            return after

        self._change(name, change)
        if ended.code and self._given_up is not None:
            self._given_up.end(name, ended)

    def _change(self, name: str, change: Callable[[Trouble, float], Trouble]) -> Trouble | None:
        """Change a state; if the broker is unreachable, the next request records its own result."""

        def decide(states: dict[str, Trouble], now: float) -> tuple[dict[str, Trouble], Trouble]:
            state = change(states.get(name, Trouble()), now)
            others = {other: known for other, known in states.items() if other != name}
            return ({**states, name: state} if state != Trouble() else others), state

        try:
            return self._states.update(decide)
        except BusError as error:
            log.warning("breaker_not_updated", site=name, error=str(error))
            return None


def _wanted(message: VideoMessage) -> int | None:
    """Return the number of the exit through which a recording was checked."""
    return message.exit if isinstance(message, VideoAccessible) else None


def _site(message: VideoMessage) -> str | None:
    return connector_of(message.source.kind).site(message.source.url)


def _turn(states: dict[str, Trouble], name: str, now: float) -> tuple[dict[str, Trouble], Turn]:
    state, got = trouble.turn(states.get(name, Trouble()), now)
    return ({**states, name: state} if name in states else states), got


def _held_error(name: str, state: Trouble, now: float) -> IngestError:
    again_at = datetime.fromtimestamp(max(state.next_at, now), UTC)
    if state.next_at <= now:
        again_at += timedelta(seconds=WHILE_PROBED_S)
    return IngestError(Code.SITE_HELD, str(hold_of(name, state)), retry_at=again_at)
