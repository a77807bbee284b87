"""Proxies on the loopback, with a login: HTTP (also CONNECT) and SOCKS5. They lead every host to where `leads` says.

A server sees the address `source` of a proxy as that of its client.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

USER, PASSWORD = "anna", "s3cret-of-anna"
Place = tuple[str, int]
BLOCK = 65_536
LIMIT_S = 20.0


class RefusedError(Exception):
    """The login is wrong."""


class Proxy:
    """A proxy; `asked` are the places that it was asked for, and `refusal` what it answers in place of a connection."""

    def __init__(
        self,
        scheme: str,
        leads: Callable[[Place], Place] = lambda place: place,
        login: tuple[str, str] = (USER, PASSWORD),
        source: str = "",
    ) -> None:
        self.login = login
        self.source = source
        self.asked: list[Place] = []
        self.refusal: bytes | None = None
        self.is_closed = False
        self._scheme = scheme
        self._leads = leads
        self._listener = socket.create_server(("127.0.0.3", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    def address(self, password: str | None = None) -> str:
        """Return its address with the login; `socks5h` lets it resolve the names."""
        host, port = self._listener.getsockname()
        user, right = self.login
        return f"{self._scheme}://{user}:{password or right}@{host}:{port}"

    def stop(self) -> None:
        self.is_closed = True
        with contextlib.suppress(OSError):  # stopped before
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while not self.is_closed:
            with contextlib.suppress(OSError):
                client, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        client.settimeout(LIMIT_S)
        with client, contextlib.suppress(OSError, RefusedError, ValueError):
            server = self._http(client) if self._scheme == "http" else self._socks(client)
            with server:
                back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                back.start()
                _pump(client, server)
                back.join(LIMIT_S)

    def _connect(self, place: Place, client: socket.socket) -> socket.socket:
        self.asked.append(place)
        if self.refusal is not None:
            client.sendall(self.refusal)
            raise RefusedError
        return socket.create_connection(self._leads(place), LIMIT_S, (self.source, 0))

    def _http(self, client: socket.socket) -> socket.socket:
        head = b""
        while b"\r\n\r\n" not in head:
            more = client.recv(BLOCK)
            if not more:  # the client has gone
                raise RefusedError
            head += more
        first, *rest = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        login = base64.b64encode(":".join(self.login).encode()).decode()
        if f"proxy-authorization: basic {login}".lower() not in (line.lower() for line in rest):
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            raise RefusedError
        method, target, _ = first.split(" ")
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        server = self._connect((parts.hostname or "", parts.port or 80), client)
        if method == "CONNECT":
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            kept = "\r\n".join(line for line in rest if not line.lower().startswith("proxy-"))
            path = target.removeprefix(f"http://{parts.netloc}")
            server.sendall(f"{method} {path} HTTP/1.1\r\n{kept}\r\n\r\n".encode("latin-1"))
        return server

    def _socks(self, client: socket.socket) -> socket.socket:
        _, methods = client.recv(2)
        _exactly(client, methods)
        client.sendall(b"\x05\x02")
        user = _exactly(client, _exactly(client, 2)[1]).decode()
        password = _exactly(client, _exactly(client, 1)[0]).decode()
        client.sendall(b"\x01" + bytes([(user, password) != self.login]))
        if (user, password) != self.login:
            raise RefusedError
        kind = _exactly(client, 4)[3]
        host = socket.inet_ntoa(_exactly(client, 4)) if kind == 1 else _exactly(client, _exactly(client, 1)[0]).decode()
        (port,) = struct.unpack("!H", _exactly(client, 2))
        server = self._connect((host, port), client)
        client.sendall(b"\x05\x00\x00\x01" + bytes(6))
        return server


def _exactly(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = client.recv(count - len(data))
        if not more:
            raise RefusedError
        data += more
    return data


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(BLOCK):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def running(
    scheme: str,
    leads: Callable[[Place], Place] = lambda place: place,
    login: tuple[str, str] = (USER, PASSWORD),
    source: str = "",
) -> Iterator[Proxy]:
    proxy = Proxy(scheme, leads, login, source)
    try:
        yield proxy
    finally:
        proxy.stop()
