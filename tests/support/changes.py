"""Asks the read side for changes: as a browser with a session, and as a program with the token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from ingest.archive.web.library import API

if TYPE_CHECKING:
    from tests.support.archive_server import Answer, Client

DEBATE = "abcdefghijk"  # a recording of three unknown speakers
TOKEN = "may-edit"  # noqa: S105 (of tests)
FORM = {"content_type": "application/x-www-form-urlencoded"}
BEARER = {"authorization": f"Bearer {TOKEN}", "content_type": "application/json"}


def session(client: Client) -> str:
    answer = client(f"/edit?token={TOKEN}")
    assert (answer.status, answer.headers["location"]) == (303, "/status")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
    assert TOKEN not in cookie
    return cookie.partition(";")[0]


def key_of(client: Client, cookie: str) -> str:
    page = client("/status", cookie=cookie).body.decode()
    return page.partition('name="key" value="')[2].partition('"')[0]


def post(client: Client, path: str, fields: dict[str, str], **headers: str) -> Answer:
    return client(path, "POST", urlencode(fields).encode(), **FORM, **headers)


def wished(server: Client, **wish: object) -> tuple[str, str]:
    """Ask for a change as a program, and return what became of it."""
    answer = server(f"{API}/changes", "POST", json.dumps(wish).encode(), **BEARER)
    assert answer.status == 202
    found = answer.json  # of a fast embedder, the result is there already
    while found["state"] == "waiting":
        found = server(answer.headers["location"]).json
    return found["state"], found["result"]
