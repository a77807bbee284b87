"""The OpenAPI 3.1 document of the API, made from its table of operations."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from ingest.archive.web import problems
from ingest.archive.web.api import OPERATIONS, Operation
from ingest.archive.web.library import API
from ingest.archive.web.problems import MEDIA_TYPE, Kind
from ingest.archive.web.shapes import Change
from ingest.shared.messages import VIDEO_ID_PATTERN, Wish

if TYPE_CHECKING:
    from collections.abc import Iterable

JSON = "application/json"
KNOWN = {"304": {"description": "The content that the client named in If-None-Match"}}
REFERENCE = "#/components/schemas/{model}"
OF_ALL = (
    problems.BAD_PARAMETER,
    problems.NO_TOKEN,
    problems.WRONG_METHOD,
    problems.TOO_LONG,
    problems.WRONG_HOST,
    problems.WRONG_TOKENS,
    problems.TOO_MANY,
    problems.NO_USER,
    problems.UNAVAILABLE,
)
PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"enum": [problems.URN + kind.name for kind in problems.KINDS]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "Error code of the archive, as in `ingest status`"},
    },
}


def document() -> dict[str, Any]:
    """Return the document."""
    shapes = [(operation.answer, "serialization") for operation in OPERATIONS if operation.answer is not None]
    _, schemas = models_json_schema(shapes, ref_template=REFERENCE)  # type: ignore[arg-type]  # the mode is a literal
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ingest",
            "version": metadata.version("ingest"),
            "summary": "Search and read an archive of recordings: what was said, when, and by whom",
        },
        "servers": [{"url": API}],
        "paths": {
            **{operation.path: {"get": _operation(operation)} for operation in OPERATIONS},
            "/changes": {"post": _change_request()},
        },
        "components": {
            "schemas": {**schemas["$defs"], "Problem": PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _change_request() -> dict[str, Any]:
    """Return the one operation that asks for something."""
    kinds = (*OF_ALL, problems.NO_RIGHT, problems.NOT_FOUND, problems.TOO_LARGE)
    change = {"schema": {"$ref": REFERENCE.format(model=Change.__name__)}}
    return {
        "operationId": "ask",
        "summary": "Ask for a change; the right is that of INGEST_ARCHIVE_EDIT_TOKEN",
        "requestBody": {"required": True, "content": {"application/json": {"schema": _wish()}}},
        "responses": {
            "202": {"description": "What is known of it; Location leads to its result", "content": {JSON: change}},
            **_problems(kinds),
        },
        "security": [{"token": []}],
    }


def _wish() -> dict[str, Any]:
    wishes: TypeAdapter[Wish] = TypeAdapter(Wish)
    schema = wishes.json_schema()
    found: dict[str, Any] = _inline({"oneOf": schema["oneOf"]}, schema)
    return found


def _operation(operation: Operation) -> dict[str, Any]:
    return {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation), *_query_parameters(operation)],
        "responses": {**_success(operation), **KNOWN, **_failures(operation)},
    }


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    if "{id}" not in operation.path:
        return []
    return [{"name": "id", "in": "path", "required": True, "schema": {"type": "string", "pattern": VIDEO_ID_PATTERN}}]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    schema = operation.inputs.model_json_schema()
    found = []
    for name, field in schema.get("properties", {}).items():
        described = _inline({key: value for key, value in field.items() if key not in {"description", "title"}}, schema)
        found.append(
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", []),
                "description": field.get("description", ""),
                "schema": described,
            }
        )
    return found


def _inline(field: Any, schema: dict[str, Any]) -> Any:  # noqa: ANN401 (a JSON schema)
    """Return a schema with its references replaced."""
    if isinstance(field, list):
        return [_inline(item, schema) for item in field]
    if not isinstance(field, dict):
        return field
    if "$ref" in field:
        return _inline(schema["$defs"][field["$ref"].rpartition("/")[2]], schema)
    return {key: _inline(value, schema) for key, value in field.items()}


def _success(operation: Operation) -> dict[str, Any]:
    if operation.answer is None:
        content: dict[str, Any] = {name: {"schema": {"type": "string"}} for name in operation.media_types}
        whole = {"200": {"description": "The whole file", "content": content}}
        has_ranges = operation.call is None
        return {**whole, "206": {"description": "A range of it", "content": content}} if has_ranges else whole
    content = {"schema": {"$ref": REFERENCE.format(model=operation.answer.__name__)}}
    return {"200": {"description": operation.summary, "content": {"application/json": content}}}


def _failures(operation: Operation) -> dict[str, Any]:
    kinds: list[Kind] = list(OF_ALL)
    if "{id}" in operation.path:
        kinds.append(problems.NOT_FOUND)
    if operation.answer is None and operation.call is None:
        kinds.append(problems.NO_RANGE)
    return _problems(kinds)


def _problems(kinds: Iterable[Kind]) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": REFERENCE.format(model="Problem")}}}
    titles: dict[int, list[str]] = {}
    for kind in kinds:
        titles.setdefault(kind.status, []).append(kind.title)
    return {str(status): {"description": "; ".join(found), "content": content} for status, found in titles.items()}
