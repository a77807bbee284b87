"""Sessions of readers who may change something: signed, bound to the token, and at an end after their time."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from ingest.archive.web.access.editing import COOKIE, SESSION_S, Editing


class Clock:
    """A clock that stands still until it is set."""

    now = 1_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def request(cookie: str) -> Request:
    headers = [(b"cookie", f"{COOKIE}={cookie}".encode())] if cookie else []
    return Request({"type": "http", "headers": headers})


def editing(clock: Clock, token: str = "right") -> Editing:  # noqa: S107 (of this test)
    return Editing(token, lambda *_: "", clock)


def test_a_session_ends_after_its_time_and_with_another_token() -> None:
    clock = Clock()
    session = editing(clock).session("right", "client")
    assert editing(clock).form_key(request(session))
    assert editing(clock, "other").form_key(request(session)) is None
    clock.now += SESSION_S
    assert editing(clock).form_key(request(session)) is None


@pytest.mark.parametrize("cookie", ["", ".", "..", "x", "99999999999.x.", "99999999999.x.0", "é"])
def test_a_cookie_that_is_no_session_gives_no_key(cookie: str) -> None:
    assert editing(Clock()).form_key(request(cookie)) is None


def test_a_signature_holds_for_its_own_content_alone() -> None:
    clock = Clock()
    ends_at, name, signature = editing(clock).session("right", "client").split(".")
    for changed in (f"{int(ends_at) + 1}.{name}.{signature}", f"{ends_at}.{name}x.{signature}"):
        assert editing(clock).form_key(request(changed)) is None
