"""The pages: HTML made on the server from the same content as the API. Scripts only add to them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse
from starlette.routing import Route

from ingest.archive.web import answers, bar, highlight, inputs
from ingest.archive.web.api import query_of, video_id_of
from ingest.archive.web.library import API
from ingest.archive.web.problems import NOT_FOUND, ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from ingest.archive.web.library import Library
    from ingest.archive.web.shapes import Hit

HTML = "text/html; charset=utf-8"
STATIC: Final = {
    "app.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
MINUTE_S = 60
MORE_RESULTS = 20
STATES: Final = {
    "queued": "waiting",
    "running": "in progress",
    "postponed": "postponed",
    "indexed": "searchable",
    "failed": "failed",
    "skipped": "skipped",
    "deferred": "deferred",
}


class SearchPage(inputs.SearchInput):
    """The state of the search page; without a question it shows an invitation."""

    q: str = ""


class RecordingPage(inputs.Input):
    """The state of a recording's page."""

    t: Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)] = 0.0
    """Second at which the player stands."""
    q: Annotated[str, Field(max_length=inputs.LONGEST_QUESTION)] = ""
    """The question that led here: its words are marked."""


@dataclass(frozen=True)
class Group:
    """The answers of one recording, the best one first."""

    best: Hit
    hits: tuple[Hit, ...]

    @property
    def size(self) -> int:
        """Return the number of answers."""
        return len(self.hits)


class Pages:
    """Makes the pages of an archive."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._templates = Environment(
            loader=PackageLoader("ingest.archive.web"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(clock=clock, length_of=length, day=day, percent=percent)
        self._templates.globals.update(
            api=API, states=STATES, pieces=highlight.pieces, address=address, page_of=page_of
        )
        folder = resources.files("ingest.archive.web") / "static"
        self._static = {name: (folder / name).read_bytes() for name in STATIC}

    def routes(self) -> list[Route]:
        """Return the routes of the pages."""
        return [
            self._route("/", SearchPage, self._search),
            self._route("/recordings", inputs.RecordingsInput, self._recordings),
            self._route("/recordings/{id}", RecordingPage, self._recording),
            self._route("/speakers", inputs.Input, self._speakers),
            self._route("/status", inputs.Input, self._status),
            Route("/static/{name}", self._file),
        ]

    def problem(self, request: Request, problem: ProblemError) -> Response:
        """Return the page of a problem."""
        content = self._render("problem.html", request, problem=problem)
        headers = {"Cache-Control": "no-store", **problem.headers}
        return HTMLResponse(content, problem.kind.status, headers)

    def _route(self, path: str, kind: type[inputs.Input], make: Callable[[Request, Any], str]) -> Route:
        async def endpoint(request: Request) -> Response:
            asked = inputs.read(kind, query_of(request))
            content = await run_in_threadpool(make, request, asked)
            return await run_in_threadpool(answers.send, request, content.encode(), HTML)

        return Route(path, endpoint)

    async def _file(self, request: Request) -> Response:
        name = str(request.path_params["name"])
        if name not in STATIC:
            raise ProblemError(NOT_FOUND, "there is no such file")
        return answers.send(request, self._static[name], STATIC[name])

    def _search(self, request: Request, page: SearchPage) -> str:
        results: tuple[Hit, ...] = ()
        problem: ProblemError | None = None
        if page.q:
            try:
                results = self._library.search(inputs.read(inputs.SearchInput, query_of(request))).results
            except ProblemError as error:
                problem = error
        return self._render(
            "search.html",
            request,
            page=page,
            sought=self._library.sought(page.q),
            groups=grouped(results),
            problem=problem,
            more=MORE_RESULTS if page.q and len(results) == page.limit < inputs.MOST_RESULTS else None,
            channels=self._library.channels(),
            speakers=[row.speaker for row in self._library.speakers().speakers],
            totals=None if page.q else self._library.status(),
        )

    def _recordings(self, request: Request, page: inputs.RecordingsInput) -> str:
        found = self._library.recordings(page)
        return self._render("recordings.html", request, page=page, found=found, channels=self._library.channels())

    def _recording(self, request: Request, page: RecordingPage) -> str:
        video_id = video_id_of(request)
        recording = self._library.recording(video_id)
        transcript = self._library.transcript(video_id, inputs.TranscriptInput())
        colour_of = bar.colours(recording.speakers)
        return self._render(
            "recording.html",
            request,
            page=page,
            sought=self._library.sought(page.q),
            recording=recording,
            transcript=transcript,
            colour_of=colour_of,
            spans=bar.spans(transcript.passages, recording.duration_s, colour_of),
            bar_width=bar.WIDTH,
        )

    def _speakers(self, request: Request, _: inputs.Input) -> str:
        return self._render("speakers.html", request, found=self._library.speakers())

    def _status(self, request: Request, _: inputs.Input) -> str:
        return self._render("status.html", request, status=self._library.status())

    def _render(self, name: str, request: Request, **content: Any) -> str:  # noqa: ANN401 (of the template)
        return self._templates.get_template(name).render(path=request.url.path, **content)


def grouped(results: Iterable[Hit]) -> list[Group]:
    """Return the answers by recording, in the order of their best ones."""
    found: dict[str, list[Hit]] = {}
    for hit in results:
        found.setdefault(hit.recording, []).append(hit)
    return [Group(hits[0], tuple(hits)) for hits in found.values()]


def page_of(hit: Hit, question: str) -> RecordingPage:
    """Return the state of a recording's page that shows an answer."""
    return RecordingPage(t=round(hit.start_s, 1), q=question)


def address(path: str, page: inputs.Input, **changes: object) -> str:
    """Return the address of a page in another state: its parameters, with changes. None leaves a parameter out."""
    state = {**page.model_dump(mode="json", by_alias=True, exclude_defaults=True), **changes}
    query = urlencode({name: value for name, value in state.items() if value is not None})
    return f"{path}?{query}" if query else path


def clock(seconds: float) -> str:
    """Return a place in a recording, as 1:02:03."""
    minutes, rest = divmod(int(seconds), MINUTE_S)
    hours, minutes = divmod(minutes, MINUTE_S)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def length(seconds: float) -> str:
    """Return a length in words, as 2 h 5 min."""
    if seconds < MINUTE_S:
        return f"{seconds:.0f} s"
    minutes = round(seconds / MINUTE_S)
    hours, minutes = divmod(minutes, MINUTE_S)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min"


def day(moment: datetime) -> str:
    """Return a date, as 3 Nov 2026."""
    return f"{moment.day} {moment:%b %Y}"


def percent(part: float) -> str:
    """Return a part of a whole, as 12 %."""
    return f"{part:.0%}".replace("%", "\u00a0%")
