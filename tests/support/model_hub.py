"""A model hub on this machine: as much of the protocol as the client of a real one needs to download a snapshot."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

LARGE_BYTES = 100_000  # from this size on, a file is stored as a large one, known by its SHA-256


@dataclass
class Repository:
    """Commits by their names, each a set of files; `main` is the commit that the branch points to."""

    commits: dict[str, dict[str, bytes]]
    main: str


@dataclass
class Hub:
    """What the hub holds, and the requests that it had.

    Half of the file `stalls` is sent, and then no more; half of the file `breaks` once, and then the connection closed.
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, range
    stalls: str | None = None
    breaks: str | None = None
    stalled: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def add(self, name: str, files: dict[str, bytes]) -> str:
        """Add a commit with these files to the branch main; return its name."""
        content = json.dumps({path: _object_id(data) for path, data in sorted(files.items())}).encode()
        commit = hashlib.sha1(name.encode() + content, usedforsecurity=False).hexdigest()
        repository = self.repositories.setdefault(name, Repository({}, commit))
        repository.commits[commit] = files
        repository.main = commit
        return commit

    def downloads(self, file: str) -> list[str]:
        """Return the ranges that were asked for, of a file, in order."""
        return [span for method, path, span in self.requests if method == "GET" and path.endswith(f"/{file}")]


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def serve(hub: Hub) -> ThreadingHTTPServer:
    """Serve a hub on a port of its own; `shutdown` and `server_close` end it."""

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _object_id(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()


def _entry(path: str, data: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": _object_id(data)}
    if len(data) >= LARGE_BYTES:
        entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
    return entry


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def _answer(self, *, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path, self.headers.get("Range", "")))
        parts = path.strip("/").split("/")
        is_api = parts[:2] == ["api", "models"]
        owner, name, kind, revision, *rest = [*(parts[2:] if is_api else parts), *("",) * 4]
        repository = self.hub.repositories.get(f"{owner}/{name}")
        if repository is None:
            self._refuse("RepoNotFound")
            return
        commit = repository.main if revision == "main" else revision
        files = repository.commits.get(commit)
        if files is None:
            self._refuse("RevisionNotFound")
        elif is_api and kind == "tree":
            self._json([_entry(path, data) for path, data in files.items()])
        elif is_api:
            siblings = [{"rfilename": path} for path in files]
            self._json({"id": f"{owner}/{name}", "sha": commit, "siblings": siblings})
        else:
            self._file(commit, files, "/".join(filter(None, rest)), with_body=with_body)

    def _file(self, commit: str, files: dict[str, bytes], name: str, *, with_body: bool) -> None:
        data = files.get(name)
        if data is None:
            self._refuse("EntryNotFound")
            return
        first = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        entry = _entry(name, data)
        self.send_response(206 if first else 200)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{entry.get("lfs", entry)["oid"]}"')
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - first))
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if with_body:
            self._send(name, data[first:])

    def _send(self, name: str, data: bytes) -> None:
        if name == self.hub.stalls:
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.hub.stalled.set()
            self.hub.released.wait(60)
            self.close_connection = True
            return
        if name == self.hub.breaks:
            self.hub.breaks = None
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return
        self.wfile.write(data)

    def _json(self, content: object) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _refuse(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()
