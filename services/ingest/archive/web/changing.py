"""The addresses at which readers ask for changes: a session, forms of the pages, and the API.

The page asks, and the embedder carries it out; `/changes/ID` shows what became of it.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import parse_qsl

from pydantic import Field, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ingest.archive.web import inputs
from ingest.archive.web.access import editing
from ingest.archive.web.api import query_of, video_id_of
from ingest.archive.web.library import API
from ingest.archive.web.pages.routes import HTML, base_of
from ingest.archive.web.pages.states import RecordingPage, address
from ingest.archive.web.problems import BAD_PARAMETER, NOT_FOUND, ProblemError
from ingest.shared.messages import VIDEO_ID_PATTERN, CorrectWords, Retry, Wish
from ingest.shared.text import shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from ingest.archive.web.access.editing import Editing
    from ingest.archive.web.library import Library
    from ingest.archive.web.pages.routes import Pages

EDIT_PATH = "/edit"
PATH = "/changes"
SOON_S, LOOK_S = 2.0, 0.1  # most changes are done within this time: their page then shows the result at once


BY_PAGE, BY_PROGRAM = "page", "API"  # authors of changes: who has the token is not known better
WISH: Final[TypeAdapter[Wish]] = TypeAdapter(Wish)


class EditInput(inputs.Input):
    """The parameters of the page that gives the right to change something."""

    token: inputs.Name = ""


class ChangeInput(inputs.Input):
    """The parameters of the page of a change."""

    recording: Annotated[str | None, Field(pattern=VIDEO_ID_PATTERN)] = None
    t: inputs.Second = 0.0
    """Second of the recording that the change is about."""


class Changing:
    """Answers the requests for changes; without `editing`, there is nothing that may be changed."""

    def __init__(self, library: Library, pages: Pages, editing_right: Editing | None) -> None:
        self._library = library
        self._pages = pages
        self._right = editing_right

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(EDIT_PATH, self._enter, methods=["GET"]),
            Route(EDIT_PATH, self._enter_by_form, methods=["POST"]),
            Route(PATH, self._by_form, methods=["POST"]),
            Route(f"{PATH}/{{id}}", self._show),
            Route(f"{API}{PATH}", self._by_program, methods=["POST"]),
        ]

    @property
    def _editing(self) -> Editing:
        if self._right is None:
            raise ProblemError(NOT_FOUND, "nothing can be changed here: the server has no token for it")
        return self._right

    async def _enter(self, request: Request) -> Response:
        asked = inputs.read(EditInput, query_of(request))
        if asked.token:
            return self._entered(request, asked.token)
        may_edit = self._editing.form_key(request) is not None
        content = self._pages.render("edit.html", request, may_edit=may_edit)
        return Response(content, media_type=HTML, headers={"Cache-Control": "no-store"})

    async def _enter_by_form(self, request: Request) -> Response:
        return self._entered(request, (await _form_of(request)).get("token", ""))

    def _entered(self, request: Request, token: str) -> Response:
        value = self._editing.session(token, request.client.host if request.client else "")
        response = RedirectResponse("/status", 303, {"Cache-Control": "no-store"})
        response.set_cookie(**editing.set_cookie(value, is_secure=base_of(request).startswith("https:")))
        return response

    async def _by_form(self, request: Request) -> Response:
        form = await _form_of(request)
        self._editing.check_form(request, form)
        change = _change({name: text for name, text in form.items() if name != editing.KEY_FIELD})
        author = self._editing.editor(request) or BY_PAGE
        change_id = await run_in_threadpool(self._editing.ask, change, author)
        await self._until_done(change_id)
        return RedirectResponse(address(f"{PATH}/{change_id}", _about(change)), 303)

    async def _by_program(self, request: Request) -> Response:
        self._editing.check_program(request)
        try:
            wanted: Any = json.loads(await editing.body_of(request))
        except (ValueError, RecursionError):
            raise ProblemError(BAD_PARAMETER, "the body is not JSON") from None
        if not isinstance(wanted, dict):
            raise ProblemError(BAD_PARAMETER, "the body is not a JSON object")
        change_id = await run_in_threadpool(self._editing.ask, _change(wanted), BY_PROGRAM)
        found = await run_in_threadpool(self._library.change, change_id)
        headers = {"Location": f"{API}{PATH}/{change_id}", "Cache-Control": "no-store"}
        return Response(found.model_dump_json(), 202, headers, "application/json")

    async def _show(self, request: Request) -> Response:
        asked = inputs.read(ChangeInput, query_of(request))
        found = await run_in_threadpool(self._library.change, video_id_of(request))
        content = self._pages.render(
            "change.html", request, change=found, recording=asked.recording, at=RecordingPage(t=asked.t)
        )
        return Response(content, media_type=HTML, headers={"Cache-Control": "no-store"})

    async def _until_done(self, change_id: str) -> None:
        for _ in range(int(SOON_S / LOOK_S)):
            if (await run_in_threadpool(self._library.change, change_id)).state != "waiting":
                return
            await asyncio.sleep(LOOK_S)


def _about(change: Wish) -> ChangeInput:
    """Return what a wish is about: a recording, and its second; nothing when it may be about several recordings."""
    if isinstance(change, Retry):
        return ChangeInput(recording=change.videos[0] if len(change.videos) == 1 else None)
    at_s = change.at_s if isinstance(change, CorrectWords) and not change.every else None
    return ChangeInput(recording=change.video, t=round(at_s or 0.0, 1))


def _change(wanted: Mapping[str, object]) -> Wish:
    """Return a wish; raise ProblemError for one that is none. A form names one recording as `videos`."""
    fields = {"kind": "retry"} | {name: value for name, value in wanted.items() if value != ""}
    if isinstance(fields.get("videos"), str):
        fields["videos"] = [fields["videos"]]
    try:
        return WISH.validate_python(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name = ".".join(map(str, first["loc"]))[: inputs.LONGEST_NAME]
        text = shorten(first["msg"])
        raise ProblemError(BAD_PARAMETER, f"{name}: {text}" if name else text) from None


async def _form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form; of a field that is there twice, the last one."""
    try:
        text = (await editing.body_of(request)).decode("ascii")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=inputs.MOST_PARAMETERS, errors="strict"))
    except ValueError:
        raise ProblemError(BAD_PARAMETER, "the form is not percent-encoded UTF-8") from None
