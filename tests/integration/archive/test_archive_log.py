"""The log of the read side after bad input: the server is a process of its own, as in a cluster."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ingest.archive.web.library import API
from tests.support.archive_server import FAILED, SECRET, TALK, Client
from tests.support.bad_addresses import BAD_ADDRESSES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "0pen-sesame"  # noqa: S105 (of this test)
GUESS = "a-guessed-token"
START_S = 60.0
NO_REQUESTS = (
    b"\x16\x03\x01\x02\x00\x01",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: \x1b[31m\x00\r\n\r\n",
    b"GET /\x1b]0;title\x07 HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
)


@contextmanager
def server(database_url: str, volume: Path, log: Path) -> Iterator[Client]:
    """Give a client of a server that writes its log to a file."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    own = {"DATABASE_URL": database_url, "VOLUME_PATH": str(volume), "ARCHIVE_PORT": str(port), "ARCHIVE_TOKEN": TOKEN}
    environment = os.environ | {f"INGEST_{name}": value for name, value in own.items()}
    with (
        log.open("wb") as file,
        subprocess.Popen(
            [sys.executable, "-m", "ingest.archive"], env=environment, stdout=file, stderr=file
        ) as process,
    ):
        try:
            deadline = time.monotonic() + START_S
            while b'"ready"' not in log.read_bytes():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield Client(port)
        finally:
            process.terminate()


def misuse(ask: Client) -> None:
    """Send all kinds of bad input, and some that is good."""
    for authorization in (f"Bearer {TOKEN}", f"Bearer {GUESS}", ""):
        for path in [str(case.values[0]) for case in BAD_ADDRESSES]:
            assert ask(path, authorization=authorization).status < 500
    right = f"Bearer {TOKEN}"
    for method in ("POST", "DELETE", "TRACE", "BREW"):
        assert ask(f"/?q={SECRET}", method=method, authorization=right).status in {405, 429}
    assert ask("/mcp", method="POST", body=b"\xff{not json", authorization=right).status < 500
    assert ask("/", host=f"{SECRET}.example", authorization=right).status == 421
    assert ask(f"/?token={SECRET}", range="bytes=9-1", cookie=f"session={SECRET}", authorization=right).status < 500
    for path in (f"/recordings/{TALK}", f"/recordings/{FAILED}", f"{API}/recordings/{TALK}/audio"):
        ask(path, range="bytes=99999999-", authorization=right)
    for sent in NO_REQUESTS:
        with socket.create_connection(("127.0.0.1", ask.port), timeout=20) as connection:
            connection.sendall(sent)
            connection.recv(1000)


def test_bad_input_leaves_nothing_in_the_log(archive_url: str, archive_volume: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with server(archive_url, archive_volume, log) as ask:
        misuse(ask)
        assert ask("/healthz").status == 200
    text = log.read_text()
    events = [json.loads(line)["event"] for line in text.splitlines()]
    assert events == ["ready", *["Invalid HTTP request received."] * len(NO_REQUESTS), "stopped"]
    assert not [word for word in (TOKEN, GUESS, SECRET, "Traceback", "\\u001b") if word in text]
    assert all(letter.isprintable() or letter == "\n" for letter in text)
