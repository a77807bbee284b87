"""A proxy in front of an S3 server that lies: it refuses, loses answers, cuts bodies, or shows an old list."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.support.http_servers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSED_ON = {"content-type", "etag", "last-modified", "content-range", "x-amz-request-id", "x-amz-checksum-crc64nvme"}
TIMEOUT_S = 30


@dataclass(frozen=True)
class Request:
    """A request of a client."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def is_list(self) -> bool:
        """Return whether it lists a bucket."""
        return self.method == "GET" and "list-type=" in self.path


@dataclass
class Answer:
    """An answer of the store; `loses` closes the connection instead, `keeps` announces the length before a cut."""

    status: int
    headers: dict[str, str]
    body: bytes
    loses: bool = False
    announced: int | None = None


Forward = Callable[[Request], Answer]
Lie = Callable[[Request, Forward], Answer]


@dataclass
class LyingStore:
    """A store whose answers go through `lie`; None passes everything on."""

    upstream: str
    endpoint: str = ""
    lie: Lie | None = None
    asked: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        """Return what the client gets."""
        self.asked.append(request)
        return self.lie(request, self.forward) if self.lie else self.forward(request)

    def forward(self, request: Request) -> Answer:
        """Return the answer of the server; a server that is away closes the connection."""
        try:
            return self._forward(request)
        except (OSError, HTTPException):
            return Answer(502, {}, b"", loses=True)

    def _forward(self, request: Request) -> Answer:
        """Return the answer of the server. The host stays that of the proxy: it is signed."""
        with closing(HTTPConnection(urlsplit(self.upstream).netloc, timeout=TIMEOUT_S)) as server:
            server.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name.lower() != "connection":
                    server.putheader(name, value)
            server.endheaders(request.body)
            found = server.getresponse()
            body = found.read()
        headers = {name: value for name, value in found.getheaders() if name.lower() in PASSED_ON}
        if request.method == "HEAD":
            headers["Content-Length"] = found.getheader("Content-Length") or "0"
        return Answer(found.status, headers, body)


def refusal(status: int, code: str) -> Answer:
    """Return an error as S3 answers it."""
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>no</Message></Error>'
    return Answer(status, {"Content-Type": "application/xml"}, body.encode())


def lost(request: Request, forward: Forward) -> Answer:
    """Carry a request out, and lose the answer."""
    return replace(forward(request), loses=True)


def cut(request: Request, forward: Forward) -> Answer:
    """Send half of a body, and announce the whole."""
    answer = forward(request)
    return replace(answer, body=answer.body[: len(answer.body) // 2], announced=len(answer.body))


class QuietServer(ThreadingHTTPServer):
    """A server that says nothing about clients which were killed."""

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (as the original)
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def lying(upstream: str) -> Iterator[LyingStore]:
    """Give a proxy in front of a server."""
    store = LyingStore(upstream)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = store.answer(Request(self.command, self.path, dict(self.headers), body))
            with lock:
                self._send(answer)

        do_PUT = do_HEAD = do_POST = do_DELETE = do_GET  # noqa: N815 (names of the base class)

        def _send(self, answer: Answer) -> None:
            if answer.loses:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(answer.announced or len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)
            self.close_connection = answer.announced is not None

        def log_message(self, *_args: object) -> None:
            pass

    server = QuietServer(("127.0.0.1", 0), Handler)
    store.endpoint = f"http://127.0.0.1:{server.server_port}"
    with serving(server):
        yield store
