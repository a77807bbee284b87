"""Sends content with an ETag: a client that has it already gets status 304, one that can unpack gets it compressed.

The policy of all pages says what a browser may load for them.
"""

from __future__ import annotations

import gzip
import hashlib
from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

LEAST_COMPRESSED_BYTES = 1000
LEVEL = 5
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
POLICY_HEADER = "Content-Security-Policy"
KEPT = "private, no-cache"  # kept by browsers, and asked for again each time


def send(request: Request, content: bytes, media_type: str, more: Mapping[str, str] | None = None) -> Response:
    """Return the answer with this content; `more` are further headers."""
    packs = len(content) >= LEAST_COMPRESSED_BYTES and _accepts_gzip(request.headers.get("accept-encoding", ""))
    tag = f'"{hashlib.sha256(content).hexdigest()[:24]}{"-gzip" if packs else ""}"'
    headers = {"ETag": tag, "Cache-Control": KEPT, "Vary": "Accept-Encoding", **(more or {})}
    if is_known(tag, request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    if packs:
        headers["Content-Encoding"] = "gzip"
        content = gzip.compress(content, LEVEL, mtime=0)
    return Response(content, 200, headers, media_type)


def is_known(tag: str, known: str) -> bool:
    """Return whether a client has the content: its If-None-Match names the tag, or everything."""
    names = {name.strip().removeprefix("W/") for name in known.split(",")}
    return tag in names or "*" in names


def _accepts_gzip(accepted: str) -> bool:
    for part in accepted.lower().split(","):
        name, _, weight = part.strip().partition(";")
        if name.strip() in {"gzip", "*"} and weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}:
            return True
    return False
