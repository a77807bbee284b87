"""A small HTTP server: /metrics for Prometheus, /healthz (liveness) and /readyz (readiness).

Each connection has a thread and limits of time, and the number of connections is limited: the oldest is closed for a
new one. So no client, slow or silent, keeps a probe from its answer.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import disable_created_metrics, make_wsgi_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment


SILENCE_LIMIT_S = 5.0
CONNECTION_LIMIT_S = 10.0
MOST_CONNECTIONS = 32


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128
    limit_s = CONNECTION_LIMIT_S

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 (of the base class)
        super().__init__(*arguments)
        self._opened: dict[socket.socket, float] = {}  # oldest first
        self._changing = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (of the base class)
        """Answer in a thread; close the oldest connection when there are too many."""
        with self._changing:
            self._opened[request] = time.monotonic()
            if len(self._opened) > MOST_CONNECTIONS:
                self._end(next(iter(self._opened)))
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Close the connections that are too old; the base class calls this twice a second."""
        with self._changing:
            for request, opened_at in list(self._opened.items()):
                if time.monotonic() - opened_at > self.limit_s:
                    self._end(request)

    def _end(self, request: socket.socket) -> None:
        """End a connection: the thread that waits on it closes it."""
        self._opened.pop(request, None)
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 (of the base class)
        """Close a connection."""
        with self._changing:
            self._opened.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (of the base class)
        """Write no traceback for a client that sends nothing, or goes."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Quiet(WSGIRequestHandler):
    timeout = SILENCE_LIMIT_S
    # A response is sent as a whole. By default the headers are sent first; if the process ends before it sends the
    # body, the client reads a successful response with an empty page.
    wbufsize = 1 << 20

    def log_message(self, *_args: object) -> None:
        """Write no line for each probe."""


def serve(
    port: int,
    unhealthy: Callable[[], list[str]],
    unready: Callable[[], list[str]],
    *,
    host: str = "",
    limit_s: float = CONNECTION_LIMIT_S,
) -> int:
    """Serve at an address of this machine (empty: at all) and return the port (0: a free one).

    `unhealthy` and `unready` return the reasons for the status 503, or an empty list. No connection lasts longer than
    `limit_s`.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]
    metrics = make_wsgi_app()

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        checks = {"/healthz": unhealthy, "/readyz": unready}
        if path not in checks:
            pages: Iterable[bytes] = metrics(environ, start)
            return pages
        reasons = checks[path]()
        start("503 Service Unavailable" if reasons else "200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return [("\n".join(reasons) or "ok").encode() + b"\n"]

    server = make_server(host, port, answer, server_class=_Server, handler_class=_Quiet)
    server.limit_s = limit_s
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server.server_port
