"""Puts the web server together: routes of the API and the pages, answers to errors, and the guard around them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ingest.archive.web import answers, api, openapi, problems
from ingest.archive.web.access.guard import AGENTS_PATH, OPEN_PATH, Guard
from ingest.archive.web.changing import Changing
from ingest.archive.web.library import API
from ingest.archive.web.pages.routes import Pages
from ingest.archive.web.problems import ProblemError
from ingest.shared.errors import IngestError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from ingest.archive.web.access.editing import Editing
    from ingest.archive.web.access.rules import Rules
    from ingest.archive.web.library import Library


def build(library: Library, *, rules: Rules, agents: ASGIApp, editing: Editing | None) -> Guard:
    """Return the application, which is open by these rules; `agents` answers AGENTS_PATH."""
    pages = Pages(library, editing)
    document = json.dumps(openapi.document(), ensure_ascii=False, indent=1).encode()

    async def described(request: Request) -> Response:
        return answers.send(request, document, "application/vnd.oai.openapi+json;version=3.1")

    async def failed(request: Request, error: Exception) -> Response:
        problem = _problem(error)
        return problems.response(problem) if _is_for_programs(request) else pages.problem(request, problem)

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    app = Starlette(
        routes=[
            Route(OPEN_PATH, healthy),
            Route(f"{API}{OPEN_PATH}", healthy),
            Route(f"{API}/openapi.json", described),
            *api.routes(library),
            *pages.routes(),
            *Changing(library, pages, editing).routes(),
            Route(AGENTS_PATH, agents),
        ],
        exception_handlers=dict.fromkeys((ProblemError, IngestError, HTTPException, Exception), failed),
    )
    app.router.redirect_slashes = False
    return Guard(app, rules)


def _problem(error: Exception) -> ProblemError:
    """Return the problem that an error is for the client."""
    match error:
        case ProblemError():
            return error
        case IngestError():
            return problems.from_error(error)
        case HTTPException():
            return ProblemError(
                problems.BY_STATUS.get(error.status_code, problems.FAULT), "see docs/api.md for addresses"
            )
        case _:
            return ProblemError(problems.FAULT, "the log of the server has the reason")


def _is_for_programs(request: Request) -> bool:
    return request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", "text/html")
