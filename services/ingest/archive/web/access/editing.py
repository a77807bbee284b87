"""The right to change something, beside that to read: a token, for which a browser gets a session, or a known user.

The session is a cookie that scripts cannot read and that no page of another site sends. It holds no secret: it is
signed with the token. Each form has a key that belongs to the session, or to the user that a proxy names; without it,
a request of a page is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import ClientDisconnect

from ingest.archive.web.access.proxies import user_of
from ingest.archive.web.access.wrong_tokens import WrongTokens
from ingest.archive.web.problems import BAD_PARAMETER, NO_RIGHT, TOO_LARGE, UNAVAILABLE, WRONG_TOKENS, ProblemError
from ingest.shared.broker.bus import BusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.requests import Request

    from ingest.shared.messages import Wish

COOKIE: Final = "ingest_edit"
SESSION_S: Final = 12 * 3600
LONGEST_BODY: Final = 100_000
KEY_FIELD: Final = "key"


class Editing:
    """Knows who may change something, and asks for changes."""

    def __init__(
        self,
        token: str,
        ask: Callable[[Wish, str], str],
        clock: Callable[[], float] = time.time,
        *,
        editors: Iterable[str] = (),
    ) -> None:
        self._token = token
        self._ask = ask
        self._clock = clock
        self._editors = frozenset(editors)
        self._wrong = WrongTokens()

    def session(self, given: str, client: str) -> str:
        """Return a new session for a client that gives the token; raise ProblemError for a wrong one."""
        wait_s = self._wrong.wait_s(client)
        if wait_s:
            raise ProblemError(WRONG_TOKENS, f"ask again in {wait_s} s", headers={"Retry-After": str(wait_s)})
        if not secrets.compare_digest(given.encode(), self._token.encode()):
            self._wrong.add(client, given)
            raise ProblemError(NO_RIGHT, "the token is another one")
        content = f"{int(self._clock()) + SESSION_S}.{secrets.token_urlsafe(12)}"
        return f"{content}.{self._sign('session', content)}"

    def form_key(self, request: Request) -> str | None:
        """Return the key of the forms of a request's session, or of its user; None when neither may change anything."""
        editor = self.editor(request)
        if editor is not None:
            return self._sign("form of a user", editor)
        cookie = request.cookies.get(COOKIE, "")
        content, _, signature = cookie.rpartition(".")
        ends_at = content.partition(".")[0]
        if not secrets.compare_digest(signature.encode(), self._sign("session", content).encode()):
            return None
        return self._sign("form", content) if int(ends_at) > self._clock() else None

    def editor(self, request: Request) -> str | None:
        """Return the user that a proxy has named, if it may change something."""
        user = user_of(request.scope)
        return user if user in self._editors else None

    def check_form(self, request: Request, form: dict[str, str]) -> None:
        """Raise ProblemError unless a form was filled on a page of this session."""
        key = self.form_key(request)
        if key is None or not secrets.compare_digest(form.get(KEY_FIELD, "").encode(), key.encode()):
            raise ProblemError(NO_RIGHT, "open the page again with the address that has the token, or go to /edit")

    def check_program(self, request: Request) -> None:
        """Raise ProblemError unless a program brings the token as a bearer, which no browser does by itself."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise ProblemError(NO_RIGHT, "send the token that gives it as `Authorization: Bearer TOKEN`")
        self.session(given.strip(), request.client.host if request.client else "")

    def ask(self, change: Wish, author: str) -> str:
        """Ask for a change by an author, and return its id; raise ProblemError when the broker does not take it."""
        try:
            return self._ask(change, author)
        except BusError as error:
            raise ProblemError(UNAVAILABLE, f"nothing was changed: {error}") from error

    def _sign(self, purpose: str, content: str) -> str:
        return hmac.new(self._token.encode(), f"{purpose}:{content}".encode(), hashlib.sha256).hexdigest()


async def body_of(request: Request) -> bytes:
    """Return the body of a request; raise ProblemError for one that is too large or does not end."""
    found = b""
    try:
        async for part in request.stream():
            found += part
            if len(found) > LONGEST_BODY:
                raise ProblemError(TOO_LARGE, f"at most {LONGEST_BODY} bytes")
    except ClientDisconnect:
        raise ProblemError(BAD_PARAMETER, "the request has no end") from None
    return found


def set_cookie(value: str, *, is_secure: bool) -> dict[str, Any]:
    """Return the arguments of `Response.set_cookie` for a session."""
    return {
        "key": COOKIE,
        "value": value,
        "max_age": SESSION_S,
        "path": "/",
        "httponly": True,
        "samesite": "strict",
        "secure": is_secure,
    }
