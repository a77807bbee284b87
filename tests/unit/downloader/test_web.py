"""The logins and the name that a request to a web address carries."""

from __future__ import annotations

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from ingest.downloader import web
from tests.support.http_servers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOGINS: list[tuple[str, str | None]] = []
NAMES: set[str | None] = set()


class Site(BaseHTTPRequestHandler):
    """Records the login of each request; `/to/HOST` redirects there."""

    def do_GET(self) -> None:
        LOGINS.append((self.path, self.headers["Authorization"]))
        NAMES.add(self.headers["User-Agent"])
        self.send_response(302 if self.path.startswith("/to/") else 200)
        if self.path.startswith("/to/"):
            self.send_header("Location", f"http://{self.path[4:]}:{self.server.server_port}/there")  # type: ignore[attr-defined]
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write no line."""


@contextmanager
def site() -> Iterator[int]:
    LOGINS.clear()
    NAMES.clear()
    server = HTTPServer(("127.0.0.1", 0), Site)
    with serving(server):
        yield server.server_port


@pytest.mark.parametrize(
    ("address", "logins"),
    [
        pytest.param("http://127.0.0.1:{port}/a", [None], id="no login"),
        pytest.param("http://127.0.0.1:{port}/to/localhost", [None, None], id="a redirect to a host with a login"),
        pytest.param("http://me:mine@127.0.0.1:{port}/a", ["Basic bWU6bWluZQ=="], id="the login of the address"),
        pytest.param("http://me:mine@127.0.0.1:{port}/to/127.0.0.1", ["Basic bWU6bWluZQ=="] * 2, id="the same host"),
        pytest.param("http://me:mine@127.0.0.1:{port}/to/localhost", ["Basic bWU6bWluZQ==", None], id="another host"),
    ],
)
def test_only_the_login_of_the_address_is_sent(
    address: str, logins: list[str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login u password hunter2\nmachine localhost login u password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with site() as port, web.Session("a name/1.0") as session:
        assert session.get(address.format(port=port), timeout=10).ok
    assert [login for _, login in LOGINS] == logins
    assert list(NAMES) == ["a name/1.0"]
