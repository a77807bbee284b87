"""Errors of the web server, as problem details (RFC 9457): each type has one status and one title."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from ingest.shared import outgoing
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from ingest.shared.errors import Code, IngestError

MEDIA_TYPE = "application/problem+json"
URN = "urn:ingest:problem:"


@dataclass(frozen=True)
class Kind:
    """A type of problem."""

    name: str
    status: int
    title: str


BAD_PARAMETER = Kind("bad-parameter", 400, "A parameter is wrong")
BAD_ADDRESS = Kind("bad-address", 400, "The address is not valid UTF-8")
NO_TOKEN = Kind("no-token", 401, "A token is required")
NOT_FOUND = Kind("not-found", 404, "There is nothing at this address")
NO_RIGHT = Kind("no-right", 403, "The right to change something is required")
NO_AUDIO = Kind("no-audio", 404, "The audio of this recording is not kept")
NO_FILE = Kind("no-file", 404, "The recording cannot be written in this format")
WRONG_METHOD = Kind("wrong-method", 405, "This address can only be read")
TOO_LARGE = Kind("too-large", 413, "The request is too large")
TOO_LONG = Kind("too-long", 414, "The address is too long")
NO_RANGE = Kind("no-range", 416, "The file has no such range")
WRONG_ORIGIN = Kind("wrong-origin", 403, "The request is from a page of another site")
NO_USER = Kind("no-user", 403, "The proxy names no user")
TOO_MANY = Kind("too-many", 429, "Too many requests")
WRONG_TOKENS = Kind("wrong-tokens", 429, "Too many wrong tokens")
WRONG_HOST = Kind("wrong-host", 421, "This server does not answer for this host name")
FAULT = Kind("fault", 500, "A fault of the server")
UNAVAILABLE = Kind("unavailable", 503, "The archive cannot be read now")
LOADING = Kind("loading", 503, "The text model is not ready")
KINDS: Final = (
    BAD_PARAMETER,
    BAD_ADDRESS,
    NO_TOKEN,
    NO_USER,
    NO_RIGHT,
    NOT_FOUND,
    NO_AUDIO,
    NO_FILE,
    WRONG_METHOD,
    TOO_LARGE,
    TOO_LONG,
    NO_RANGE,
    WRONG_ORIGIN,
    WRONG_HOST,
    WRONG_TOKENS,
    TOO_MANY,
    FAULT,
    UNAVAILABLE,
    LOADING,
)
BY_STATUS: Final = {404: NOT_FOUND, 405: WRONG_METHOD}
PASSING_S = 5  # a client may ask again after this time


class ProblemError(Exception):
    """A request that cannot be answered, for a reason that its sender can read."""

    def __init__(
        self, kind: Kind, detail: str, *, code: Code | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(f"{kind.name}: {detail}")
        self.kind = kind
        self.detail = shorten(outgoing.redact(detail))
        self.code = code
        self.headers = {
            **({"Retry-After": str(PASSING_S)} if kind.status == UNAVAILABLE.status else {}),
            **(headers or {}),
        }


def from_error(error: IngestError) -> ProblemError:
    """Return the problem of an error of the archive: of its database, its volume or its model."""
    return ProblemError(UNAVAILABLE, error.message, code=error.code)


def response(problem: ProblemError) -> Response:
    """Return the answer to a request that has this problem."""
    content = {
        "type": URN + problem.kind.name,
        "title": problem.kind.title,
        "status": problem.kind.status,
        "detail": problem.detail,
        **({"code": problem.code.value} if problem.code else {}),
    }
    headers = {"Cache-Control": "no-store", **problem.headers}
    return Response(json.dumps(content, ensure_ascii=False), problem.kind.status, headers, MEDIA_TYPE)
