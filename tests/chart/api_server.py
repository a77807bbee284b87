"""A stand-in for the API server of Kubernetes that serves the objects which the chart's `lookup` asks for."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.support.http_servers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = {
    "namespaces": ("Namespace", False),
    "secrets": ("Secret", True),
    "persistentvolumeclaims": ("PersistentVolumeClaim", True),
}
DISCOVERY: dict[str, dict[str, Any]] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {"name": name, "kind": kind, "namespaced": namespaced, "singularName": "", "verbs": ["get"]}
            for name, (kind, namespaced) in KINDS.items()
        ],
    },
}
MISSING = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}


@contextmanager
def api_server(objects: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Serve objects, as {"default/secrets/mine": {...}}, below /api/v1/namespaces; yield the server's address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            answer = DISCOVERY.get(path) or objects.get(path.removeprefix("/api/v1/namespaces/"))
            body = json.dumps(answer or MISSING).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the output of the tests clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"
