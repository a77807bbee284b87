"""The checks before every request, and the headers of every answer.

A request must name this server as its host: a page of another site whose name points to this machine (DNS rebinding)
cannot read the archive. Browsers run only scripts and styles of this server, and load nothing else; the page of a
recording of YouTube may open its player in a frame.
"""

from __future__ import annotations

import base64
import secrets
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from starlette.datastructures import Headers, MutableHeaders

from ingest.archive.web import problems
from ingest.archive.web.access.proxies import user_of
from ingest.archive.web.access.request_limit import RequestLimit
from ingest.archive.web.access.wrong_tokens import WrongTokens
from ingest.archive.web.answers import POLICY, POLICY_HEADER
from ingest.archive.web.problems import ProblemError
from ingest.shared.telemetry import metrics

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ingest.archive.web.access.rules import Rules

LONGEST_ADDRESS = 4000
METHODS: Final = ("GET", "HEAD")
POSTED: Final = {  # where a request may also, or only, be posted
    "/mcp": ("POST",),
    "/edit": ("GET", "HEAD", "POST"),
    "/changes": ("POST",),
    "/api/v1/changes": ("POST",),
}
OPEN_PATH = "/healthz"
UNCOUNTED: Final = (OPEN_PATH, f"/api/v1{OPEN_PATH}")
FILES: Final = "/static/"
AGENTS_PATH = "/mcp"
HEADERS: Final = {
    POLICY_HEADER: POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
ASKS_FOR_TOKEN: Final = {"WWW-Authenticate": 'Basic realm="ingest", charset="UTF-8"'}
LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")


class Guard:
    """Wraps an application: refuses what it must not see, and completes its answers."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app = app
        self._names = frozenset(name.strip().lower() for name in (*LOCAL_NAMES, *rules.names) if name.strip())
        self._rules = rules
        self._wrong = WrongTokens()
        self._limit = RequestLimit(rules.most)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = 500

        async def complete(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)  # a page with a player has a policy of its own
            await send(message)

        try:
            problem = self._problem(scope)
            answering = self._app if problem is None else problems.response(problem)
            await answering(scope, receive, complete)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            metrics.HTTP_REQUESTS.labels(route, str(status)).inc()
            metrics.HTTP_SECONDS.labels(route).observe(time.monotonic() - began)

    def _problem(self, scope: Scope) -> ProblemError | None:
        """Return the reason to refuse a request; None when it may be answered."""
        wait_s = self._too_early_s(scope)
        if wait_s:
            advice = f"at most {self._rules.most} in a minute; ask again in {wait_s} s"
            return ProblemError(problems.TOO_MANY, advice, headers={"Retry-After": str(wait_s)})
        path, query = scope.get("raw_path") or b"", scope["query_string"]
        if len(path) + len(query) > LONGEST_ADDRESS:
            return ProblemError(problems.TOO_LONG, f"at most {LONGEST_ADDRESS} bytes")
        if not (_is_text(path) and _is_text(query.replace(b"+", b" "))):
            return ProblemError(problems.BAD_ADDRESS, "percent-encode it as UTF-8, without control characters")
        methods = POSTED.get(scope["path"], METHODS)
        if scope["method"] not in methods:
            advice = f"use {' or '.join(methods)}"
            return ProblemError(problems.WRONG_METHOD, advice, headers={"Allow": ", ".join(methods)})
        headers = Headers(scope=scope)
        if scope["method"] == "POST" and not self._is_ours(headers.get("origin"), scope["path"]):
            return ProblemError(problems.WRONG_ORIGIN, "pages of other sites cannot ask")
        return None if scope["path"] == OPEN_PATH else self._refusal(scope, headers)

    def _too_early_s(self, scope: Scope) -> int:
        """Count a request; return for how long its client has to wait. Commands on the local socket never wait."""
        if scope["path"] in UNCOUNTED or scope["path"].startswith(FILES) or not scope["client"]:
            return 0
        return self._limit.wait_s(scope["client"][0])

    def _refusal(self, scope: Scope, headers: Headers) -> ProblemError | None:
        """Return the reason to refuse a request with these headers; None when its sender may read the archive."""
        if _name(headers.get("host", "")) not in self._names:
            advice = "open it as localhost, or name it in INGEST_ARCHIVE_NAMES"
            return ProblemError(problems.WRONG_HOST, advice)
        if user_of(scope) is not None or not (self._rules.tokens or self._rules.wants_user):
            return None
        if not self._rules.tokens:
            return ProblemError(problems.NO_USER, "come by the proxy before this server: it names its users")
        return self._unknown(headers.get("authorization", ""), (scope["client"] or ("",))[0])

    def _unknown(self, authorization: str, client: str) -> ProblemError | None:
        """Return the reason to refuse a client that has to bring a token; None when it brings it."""
        wait_s = self._wrong.wait_s(client) if authorization else 0
        if wait_s:  # also with the right one: its answer would tell it from the others
            return ProblemError(problems.WRONG_TOKENS, f"ask again in {wait_s} s", headers={"Retry-After": str(wait_s)})
        if any(_brings(authorization, token) for token in self._rules.tokens):
            return None
        if authorization:
            self._wrong.add(client, authorization)
        detail = "send it as `Authorization: Bearer TOKEN`, or as the password of any user"
        return ProblemError(problems.NO_TOKEN, detail, headers=ASKS_FOR_TOKEN)

    def _is_ours(self, origin: str | None, path: str) -> bool:
        """Return whether a request with this Origin header is from no page of another site.

        Browsers hide the origin of our forms, because our pages send no referrer; a form has a key instead.
        """
        if origin == "null" and path != AGENTS_PATH:
            return True
        return origin is None or _name(origin.partition("://")[2]) in self._names


def _is_text(part: bytes) -> bool:
    """Return whether a part of an address is UTF-8 without control characters."""
    try:
        text = unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        return False
    return all(letter >= " " and letter != "\x7f" for letter in text)


def _name(host: str) -> str:
    """Return the name in a Host header, without its port."""
    name, colon, port = host.strip().lower().rpartition(":")
    return name if colon and (port.isdecimal() or not port) else host.strip().lower()


def _brings(authorization: str, token: str) -> bool:
    """Return whether an Authorization header has the token: as a bearer, or as a password."""
    scheme, _, value = authorization.partition(" ")
    given = value.strip()
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except ValueError:  # not base64, or not UTF-8
            return False
    elif scheme.lower() != "bearer":
        return False
    return secrets.compare_digest(given.encode(), token.encode())
