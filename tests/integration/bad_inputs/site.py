"""A web server on the loopback with faulty replies. A page is a function that replies to one request."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 8_192
AUDIO = "audio/webm"


class Request(BaseHTTPRequestHandler):
    """One request, with methods for faulty replies."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self.close_connection = True
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path.partition("?")[0], status(404))
        with contextlib.suppress(ConnectionError):
            page(self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (named by the base class)
        """Print nothing."""

    def head(self, code: int = 200, **headers: object) -> None:
        """Send the status and the headers; an underscore in a name is a hyphen."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Connection", "close")
        self.end_headers()

    def wait(self, seconds: float | None = None) -> None:
        """Do nothing for a while, or until the server stops; then the connection is gone."""
        if self.server.stopping.wait(seconds) or seconds is None:
            raise ConnectionAbortedError


Page = Callable[[Request], None]


class _Server(ThreadingHTTPServer):
    def __init__(self, host: str) -> None:
        super().__init__((host, 0), Request)
        self.pages: dict[str, Page] = {}
        self.asked: list[str] = []
        self.stopping = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (the base class's types)
        """Print no traceback when a client closes the connection."""


class Site:
    """The server; `asked` is every path that was requested, in order."""

    def __init__(self, host: str) -> None:
        self._server = _Server(host)
        self._host = host
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._numbers = itertools.count()
        self._thread.start()

    @property
    def root(self) -> str:
        return f"http://{self._host}:{self._server.server_address[1]}"

    @property
    def asked(self) -> list[str]:
        return self._server.asked

    def add(self, page: Page, name: str = "recording.webm") -> str:
        """Return the address of a page."""
        path = f"/{next(self._numbers)}/{name}"
        self._server.pages[path] = page
        return self.root + path

    def stop(self) -> None:
        self._server.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def running(host: str = "127.0.0.1") -> Iterator[Site]:
    site = Site(host)
    try:
        yield site
    finally:
        site.stop()


# -- pages ------------------------------------------------------------------------------------------------------------


def file(data: bytes, kind: str = AUDIO) -> Page:
    """Send a complete and correct reply."""

    def answer(request: Request) -> None:
        request.head(Content_Type=kind, Content_Length=len(data))
        request.wfile.write(data)

    return answer


def status(code: int, **headers: object) -> Page:
    """Send a status without a body."""
    return lambda request: request.head(code, Content_Length=0, **headers)


def redirect(url: str) -> Page:
    """Redirect the client."""
    return status(302, Location=url)


def short(data: bytes, sent: int, *, length: bool, kind: str = AUDIO) -> Page:
    """Send the first `sent` bytes and close the connection; with `length`, the header announces all bytes."""

    def answer(request: Request) -> None:
        request.head(Content_Type=kind, **({"Content_Length": len(data)} if length else {}))
        request.wfile.write(data[:sent])

    return answer


def stalled(data: bytes, sent: int | None) -> Page:
    """Send the head (with None not even that) and the first `sent` bytes, then nothing."""

    def answer(request: Request) -> None:
        if sent is not None:
            request.head(Content_Type=AUDIO, Content_Length=len(data))
            request.wfile.write(data[:sent])
        request.wait()

    return answer


def reset(data: bytes, sent: int | None) -> Page:
    """Send the head (with None not even that) and the first `sent` bytes, and reset the connection (TCP's RST)."""

    def answer(request: Request) -> None:
        if sent is not None:
            request.head(Content_Type=AUDIO, Content_Length=len(data))
            request.wfile.write(data[:sent])
            request.wait(0.2)  # bytes in transit would be lost
        request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(request.connection.detach())  # close at once, without an orderly shutdown

    return answer


def trickle(data: bytes, bytes_a_second: int, at_once: int) -> Page:
    """Send the first `at_once` bytes at once and the rest slowly."""

    def answer(request: Request) -> None:
        request.head(Content_Type=AUDIO, Content_Length=len(data))
        request.wfile.write(data[:at_once])
        for at in range(at_once, len(data), bytes_a_second // 10):
            request.wfile.write(data[at : at + bytes_a_second // 10])
            request.wait(0.1)

    return answer


def chunked(data: bytes) -> Page:
    """Send all bytes without announcing the length."""

    def answer(request: Request) -> None:
        request.head(Content_Type=AUDIO, Transfer_Encoding="chunked")
        for start in range(0, len(data), BLOCK):
            block = data[start : start + BLOCK]
            request.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
        request.wfile.write(b"0\r\n\r\n")

    return answer


def endless(start: bytes, kind: str = "text/html") -> Page:
    """Send bytes without end."""

    def answer(request: Request) -> None:
        request.head(Content_Type=kind)
        request.wfile.write(start)
        while not request.server.stopping.is_set():
            request.wfile.write(b"<p>more</p>" * BLOCK)

    return answer


def playlist(site: Site, *pieces: Page | str, ended: bool = True, head: str = "") -> str:
    """Return the address of an HLS playlist of 4 s pieces: pages of this site, or addresses; `head` is a line more."""
    urls = [piece if isinstance(piece, str) else site.add(piece, "piece.ts") for piece in pieces]
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:4", "#EXT-X-MEDIA-SEQUENCE:0", *head.splitlines()]
    for url in urls:
        lines += ["#EXTINF:4.0,", url]
    lines += ["#EXT-X-ENDLIST"] if ended else []
    return site.add(file("\n".join(lines).encode(), "application/vnd.apple.mpegurl"), "recording.m3u8")
