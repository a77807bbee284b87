"""A small HTTP server: /metrics for Prometheus, /healthz (liveness) and /readyz (readiness)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import disable_created_metrics, make_wsgi_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment


class _Quiet(WSGIRequestHandler):
    # A response is sent as a whole. By default the headers are sent first; if the process ends before it sends the
    # body, the client reads a successful response with an empty page.
    wbufsize = 1 << 20

    def log_message(self, *_args: object) -> None:
        """Write no line for each probe."""


def serve(port: int, unhealthy: Callable[[], list[str]], unready: Callable[[], list[str]]) -> int:
    """Serve in a thread and return the port (0: a free one).

    `unhealthy` and `unready` return the reasons for the status 503, or an empty list.
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

    server = make_server("", port, answer, handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server.server_port
