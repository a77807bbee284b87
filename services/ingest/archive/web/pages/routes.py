"""The pages: HTML made on the server from the same content as the API. Scripts only add to them."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse
from starlette.routing import Route

from ingest.archive.web import answers, inputs
from ingest.archive.web.answers import POLICY, POLICY_HEADER
from ingest.archive.web.api import query_of, video_id_of
from ingest.archive.web.pages import bar, feed
from ingest.archive.web.pages.html import Templates
from ingest.archive.web.pages.kept_value import KeptValue
from ingest.archive.web.pages.states import RecordingPage, SearchPage, grouped
from ingest.archive.web.problems import NOT_FOUND, ProblemError
from ingest.shared.links import YOUTUBE_PLAYER

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from ingest.archive.web.access.editing import Editing
    from ingest.archive.web.library import Library
    from ingest.archive.web.shapes import Hit

HTML = "text/html; charset=utf-8"
STATIC: Final = {
    "app.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "edit.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
MORE_RESULTS = 20
FRAMES = "frames"  # state of a request: the site whose frames its page may show
NAMES_S = 60.0  # the names of speakers that the search page proposes are read again after this time


class Pages:
    """Makes the pages of an archive."""

    def __init__(self, library: Library, editing: Editing | None) -> None:
        self._library = library
        self._editing = editing
        self._templates = Templates()
        self._names = KeptValue(library.speaker_names, NAMES_S)
        folder = resources.files("ingest.archive.web") / "static"
        self._static = {name: (folder / name).read_bytes() for name in STATIC}

    def routes(self) -> list[Route]:
        """Return the routes of the pages."""
        return [
            self._route("/", SearchPage, self._search),
            self._route("/recordings", inputs.RecordingsInput, self._recordings),
            self._route("/recordings/{id}", RecordingPage, self._recording),
            self._route("/recordings/{id}/similar", inputs.SimilarInput, self._similar),
            self._route("/speakers", inputs.Input, self._speakers),
            self._route("/status", inputs.Input, self._status),
            Route(feed.PATH, self._feed),
            Route("/static/{name}", self._file),
        ]

    def problem(self, request: Request, problem: ProblemError) -> Response:
        """Return the page of a problem."""
        content = self.render("problem.html", request, problem=problem)
        headers = {"Cache-Control": "no-store", **problem.headers}
        return HTMLResponse(content, problem.kind.status, headers)

    def _route(self, path: str, kind: type[inputs.Input], make: Callable[[Request, Any], str]) -> Route:
        async def endpoint(request: Request) -> Response:
            asked = inputs.read(kind, query_of(request))
            content = await run_in_threadpool(make, request, asked)
            frames = getattr(request.state, FRAMES, None)
            headers = {POLICY_HEADER: f"{POLICY}; frame-src {frames}"} if frames else None
            return await run_in_threadpool(answers.send, request, content.encode(), HTML, headers)

        return Route(path, endpoint)

    async def _feed(self, request: Request) -> Response:
        asked = inputs.read(feed.FeedInput, query_of(request))
        found = await run_in_threadpool(feed.feed, self._library, asked)
        content = self._templates.fill("feed.xml", feed=found, base=base_of(request))
        return await run_in_threadpool(answers.send, request, content.encode(), feed.MEDIA_TYPE)

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
        return self.render(
            "search.html",
            request,
            page=page,
            sought=self._library.sought(page.q),
            groups=grouped(results),
            problem=problem,
            more=MORE_RESULTS if page.q and len(results) == page.limit < inputs.MOST_RESULTS else None,
            channels=self._library.channels(),
            speakers=self._names.get(),
            totals=None if page.q else self._library.status(),
        )

    def _recordings(self, request: Request, page: inputs.RecordingsInput) -> str:
        found = self._library.recordings(page)
        return self.render("recordings.html", request, page=page, found=found, channels=self._library.channels())

    def _recording(self, request: Request, page: RecordingPage) -> str:
        video_id = video_id_of(request)
        recording = self._library.recording(video_id)
        if recording.player:
            setattr(request.state, FRAMES, YOUTUBE_PLAYER)
        transcript = self._library.transcript(video_id, inputs.TranscriptInput())
        colour_of = bar.colours(recording.speakers)
        return self.render(
            "recording.html",
            request,
            page=page,
            sought=self._library.sought(page.q),
            recording=recording,
            transcript=transcript,
            colour_of=colour_of,
            spans=bar.spans(transcript.passages, recording.duration_s, colour_of),
            bar_width=bar.WIDTH,
            people=self._names.get(),
        )

    def _similar(self, request: Request, page: inputs.SimilarInput) -> str:
        video_id = video_id_of(request)
        results = self._library.similar(video_id, page).results
        passages = self._library.transcript(video_id, inputs.TranscriptInput()).passages
        return self.render(
            "similar.html",
            request,
            page=page,
            recording=self._library.recording(video_id),
            passage=passages[page.passage],
            sought=[],
            groups=grouped(results),
            more=MORE_RESULTS if len(results) == page.limit < inputs.MOST_RESULTS else None,
        )

    def _speakers(self, request: Request, _: inputs.Input) -> str:
        found = self._library.speakers()
        rows = self._library.reading.examples([row.speaker for row in found.speakers])
        total_s = sum(row.seconds for row in found.speakers) + found.unnamed_s
        samples = {row.speaker: row for row in rows}
        return self.render("speakers.html", request, found=found, samples=samples, total_s=total_s or 1.0)

    def _status(self, request: Request, _: inputs.Input) -> str:
        return self.render("status.html", request, status=self._library.status())

    def render(self, name: str, request: Request, **content: Any) -> str:  # noqa: ANN401 (of the template)
        """Return a page; its forms have the key of the session of a reader who may change something."""
        form_key = self._editing.form_key(request) if self._editing is not None else None
        return self._templates.fill(name, path=request.url.path, form_key=form_key, **content)


def base_of(request: Request) -> str:
    """Return the beginning of absolute addresses: the host that was asked for, with the scheme of a proxy with TLS."""
    is_secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
    return f"{'https' if is_secure else 'http'}://{request.headers['host']}"
