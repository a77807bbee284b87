"""Takes the word of known proxies for who asks: the user of a header, and the address of the client behind them.

A header of an address that is no known proxy is ignored, and counted: each client can send one.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from ingest.archive.web.access.client_key import address_of
from ingest.shared.bounds import LONGEST_NAME
from ingest.shared.telemetry import metrics
from ingest.shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

USER: Final = "user"  # the state of a request: the name of its user, or None


class Proxies:
    """Wraps an application. `known` are addresses and networks of proxies, `header` is the one that names the user."""

    def __init__(self, app: ASGIApp, known: Sequence[str], header: str) -> None:
        self._app = app
        self._forwarded = ProxyHeadersMiddleware(cast("Any", app), list(known))
        self._networks = [ip_network(one) for one in known]
        self._header = header.lower().encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        address = address_of((scope.get("client") or ("",))[0])
        is_known = address is not None and any(address in network for network in self._networks)
        named = [value for name, value in scope["headers"] if name == self._header]
        if named and not is_known:
            metrics.HTTP_IGNORED_USERS.inc()
        scope.setdefault("state", {})[USER] = _user(named) if is_known else None
        if not is_known:
            await self._app(scope, receive, send)
            return
        scope["client"] = (str(address), scope["client"][1])
        await self._forwarded(cast("Any", scope), cast("Any", receive), cast("Any", send))


def user_of(scope: Scope) -> str | None:
    """Return the user that a known proxy has named; None: it has named none, or there is no such proxy."""
    found: str | None = scope.get("state", {}).get(USER)
    return found


def _user(named: Iterable[bytes]) -> str | None:
    """Return the user in the values of a header: none in two of them, one of which may be of the client itself."""
    try:
        (value,) = named
        name = value.decode().strip()
    except ValueError:
        return None
    return name if 0 < len(name) <= LONGEST_NAME and one_line(name) == name else None
