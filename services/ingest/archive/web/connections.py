"""Limits of time for connections, so that no client, slow or silent, keeps others from an answer.

Uvicorn limits only the time between two requests. A client that opens connections and sends nothing, sends its headers
letter by letter, or reads no answer, would hold them for ever, and a thousand of them are all that the server has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

REQUEST_LIMIT_S: Final = 10.0  # from a connection, or the answer before, to the end of the headers of a request
ANSWER_LIMIT_S: Final = 60.0  # then a connection may be closed for another; a browser that plays audio asks again


class Connection(H11Protocol):
    """A connection that is closed when its client sends no request in time, or when another one needs its place."""

    limit_s = REQUEST_LIMIT_S

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 (of the base class)
        super().__init__(*arguments, **options)
        self.since = self.loop.time()
        self._check: asyncio.TimerHandle | None = None

    @property
    def is_answering(self) -> bool:
        """Return whether a request is being answered; if not, the connection waits for one."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in the base class
        """Begin to wait for a request; close another connection when there are too many."""
        super().connection_made(transport)
        self._check = self.loop.call_later(self.limit_s, self._close_silent)
        others = [one for one in cast("set[Connection]", self.connections) if not one.transport.is_closing()]
        if self.limit_concurrency is not None and len(others) >= self.limit_concurrency:
            others.remove(self)
            _close_one(others, self.loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        """End the wait."""
        super().connection_lost(exc)
        if self._check is not None:
            self._check.cancel()

    def handle_events(self) -> None:
        """Answer the requests that are complete."""
        was_answering = self.is_answering
        super().handle_events()
        if self.is_answering and not was_answering:
            self.since = self.loop.time()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self.since = self.loop.time()
        super().on_response_complete()

    def _close_silent(self) -> None:
        left_s = self.limit_s if self.is_answering else self.since + self.limit_s - self.loop.time()
        if left_s <= 0:
            self.transport.abort()
        else:
            self._check = self.loop.call_later(left_s, self._close_silent)


def _close_one(connections: Iterable[Connection], now: float) -> None:
    """Close the connection that waits longest for a request; if none waits, the one whose answer takes longest."""
    waiting = [one for one in connections if not one.is_answering]
    slow = [one for one in connections if one.is_answering and now - one.since > ANSWER_LIMIT_S]
    for one in sorted(waiting or slow, key=lambda one: one.since)[:1]:
        one.transport.abort()
