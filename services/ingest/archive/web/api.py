"""The HTTP API: a table of its operations, from which the routes and the OpenAPI document follow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from ingest.archive.export.registry import FORMATS
from ingest.archive.web import answers, audio, files, inputs, shapes
from ingest.archive.web.files import File
from ingest.archive.web.library import API
from ingest.archive.web.problems import NOT_FOUND, ProblemError
from ingest.shared.messages import VIDEO_ID_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from ingest.archive.web.library import Library


@dataclass(frozen=True)
class Operation:
    """An address of the API: its parameters, its answer, and the function that answers."""

    path: str
    name: str
    summary: str
    inputs: type[inputs.Input]
    answer: type[shapes.Shape] | None  # None: a file
    call: Callable[[Library, str, Any], shapes.Shape | File] | None = None  # None: the audio
    media_types: tuple[str, ...] = ("application/json",)


OPERATIONS = (
    Operation(
        "/search",
        "search",
        "Passages that answer a question, by meaning and by words",
        inputs.SearchInput,
        shapes.Hits,
        lambda library, _, asked: library.search(asked),
    ),
    Operation(
        "/recordings",
        "recordings",
        "The recordings, the latest first",
        inputs.RecordingsInput,
        shapes.Recordings,
        lambda library, _, asked: library.recordings(asked),
    ),
    Operation(
        "/recordings/{id}",
        "recording",
        "A recording and its speakers",
        inputs.Input,
        shapes.RecordingDetail,
        lambda library, video_id, _: library.recording(video_id),
    ),
    Operation(
        "/recordings/{id}/transcript",
        "transcript",
        "The passages of a recording, with its words on request",
        inputs.TranscriptInput,
        shapes.Transcript,
        lambda library, video_id, asked: library.transcript(video_id, asked),
    ),
    Operation(
        "/recordings/{id}/similar",
        "similar",
        "Passages like a passage of the recording, the nearest in meaning first",
        inputs.SimilarInput,
        shapes.Hits,
        lambda library, video_id, asked: library.similar(video_id, asked),
    ),
    Operation(
        "/recordings/{id}/export",
        "export",
        "The transcript as a file: subtitles, text, Markdown, JSON, a table, turns of speakers",
        inputs.ExportInput,
        None,
        files.export,
        tuple(sorted({form.media_type for form in FORMATS.values()})),
    ),
    Operation(
        "/recordings/{id}/audio",
        "audio",
        "The audio as it was delivered; ranges are served",
        inputs.Input,
        None,
        media_types=("audio/*", "video/*", "application/octet-stream"),
    ),
    Operation(
        "/speakers",
        "speakers",
        "The named speakers of the archive",
        inputs.Input,
        shapes.Speakers,
        lambda library, _, __: library.speakers(),
    ),
    Operation(
        "/status",
        "status",
        "What the archive holds, what is on its way, and what failed",
        inputs.Input,
        shapes.Status,
        lambda library, _, __: library.status(),
    ),
    Operation(
        "/changes/{id}",
        "change",
        "What became of a change that was asked for",
        inputs.Input,
        shapes.Change,
        lambda library, change_id, _: library.change(change_id),
    ),
)


def routes(library: Library) -> list[Route]:
    """Return the routes of the API."""
    return [Route(API + operation.path, _endpoint(library, operation), name=operation.name) for operation in OPERATIONS]


def _endpoint(library: Library, operation: Operation) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        asked = inputs.read(operation.inputs, query_of(request))
        video_id = video_id_of(request)
        if operation.call is None:
            kept = await run_in_threadpool(audio.find, library.volume, video_id)
            return audio.response(request, kept)
        found = await run_in_threadpool(operation.call, library, video_id, asked)
        return await run_in_threadpool(_answer, request, found)

    return endpoint


def _answer(request: Request, found: shapes.Shape | File) -> Response:
    if isinstance(found, File):
        return answers.send(request, found.content, found.media_type, found.headers)
    return answers.send(request, found.model_dump_json().encode(), "application/json")


def query_of(request: Request) -> str:
    """Return the query string of a request."""
    return str(request.scope["query_string"].decode("ascii", "replace"))


def video_id_of(request: Request) -> str:
    """Return the id in the path of a request (empty: its path has none); raise ProblemError when it cannot be one."""
    video_id = str(request.path_params.get("id", ""))
    if video_id and not re.fullmatch(VIDEO_ID_PATTERN, video_id):
        raise ProblemError(NOT_FOUND, "the id of a recording has 11 letters, digits, - or _")
    return video_id
