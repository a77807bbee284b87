"""The API keeps to its OpenAPI document: generated requests to a real server, right and wrong ones.

Every answer has a status, a media type and a content that the document names for its operation.
"""

from __future__ import annotations

import json
import string
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import jsonschema  # type: ignore[import-untyped]  # ships no types
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.archive.web import openapi
from ingest.archive.web.inputs import EARLIEST, LATEST
from ingest.archive.web.library import API
from tests.support.archive_server import FAILED, SECRET, TALK, Answer, Client

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = openapi.document()
PATHS = sorted(path for path, methods in DOCUMENT["paths"].items() if "get" in methods)
IDS = (TALK, FAILED, "unknown_001")
WORDS = ("ship", "boats", "the", '"frozen moon"', "-moon ship", "ship OR moon", "Ærøskøbing", "船", "' --", "%", "&=#+")
ANY_TEXT = st.text(max_size=30) | st.sampled_from(
    ["", "null", "NaN", "-1", "1e9", "../..", "\x00", "\r\nX-A: b", "\ud800"]
)
EXAMPLES = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def operation(path: str) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][path]["get"]
    return found


def parameters(path: str) -> list[dict[str, Any]]:
    return [one for one in operation(path)["parameters"] if one["in"] == "query"]


def plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter that is given: without the null of one that is left out."""
    found: dict[str, Any] = schema.get("anyOf", [schema])[0]
    return found


def right_values(parameter: dict[str, Any]) -> st.SearchStrategy[str]:
    """Return values that the document allows for a parameter."""
    schema = plain(parameter["schema"])
    match schema:
        case {"enum": values}:
            return st.sampled_from(values)
        case {"type": "boolean"}:
            return st.sampled_from(["true", "false"])
        case {"type": "integer"}:
            return st.integers(schema["minimum"], schema["maximum"]).map(str)
        case {"format": "date"}:
            return st.dates(EARLIEST, LATEST).map(date.isoformat)
        case {"pattern": pattern}:
            return st.from_regex(pattern, fullmatch=True, alphabet=string.ascii_letters + string.digits + "_-")
        case _:
            return st.sampled_from(WORDS)


def wrong_values(schema: dict[str, Any]) -> Iterator[str]:
    """Yield values that the document forbids for a parameter."""
    match schema:
        case {"enum": _}:
            yield "other"
        case {"type": "boolean"}:
            yield "perhaps"
        case {"type": "integer"}:
            yield from (str(schema["minimum"] - 1), str(schema["maximum"] + 1), "ten", "1.5")
        case {"format": "date"}:
            yield from ("2026-02-30", "yesterday")
        case {"pattern": _}:
            yield from ("..", "no id at all!", "a" * 200)
        case {"maxLength": most}:
            yield "a" * (most + 1)


@st.composite
def right_queries(draw: st.DrawFn, path: str) -> dict[str, str]:
    found = {}
    for parameter in parameters(path):
        if parameter["name"] != "cursor" and (parameter["required"] or draw(st.booleans())):
            found[parameter["name"]] = draw(right_values(parameter))
    return found


@st.composite
def any_queries(draw: st.DrawFn, path: str) -> dict[str, str]:
    names = st.sampled_from([one["name"] for one in parameters(path)] + ["other"])
    return draw(right_queries(path)) | draw(st.dictionaries(names | st.text(max_size=5), ANY_TEXT, max_size=3))


def address(path: str, video_id: str, query: dict[str, str]) -> str:
    filled = path.replace("{id}", quote(video_id, safe="", errors="surrogatepass"))
    return f"{API}{filled}?{urlencode(query, errors='surrogatepass')}"


def faults(path: str, answer: Answer) -> list[str]:
    """Return where an answer differs from the document."""
    responses = operation(path)["responses"]
    if str(answer.status) not in responses:
        return [f"status {answer.status}"]
    forms = responses[str(answer.status)].get("content", {})
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    form = forms.get(media_type, forms.get(f"{media_type.partition('/')[0]}/*"))
    if form is None:
        return [f"status {answer.status} as {media_type}"]
    if SECRET.encode() in answer.body:
        return ["a secret"]
    if not media_type.endswith("json") or form["schema"].get("type") == "string":
        return []
    schema = {**form["schema"], "components": DOCUMENT["components"]}
    found = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(answer.json)]
    if answer.status >= 400 and answer.json["status"] != answer.status:
        found.append(f"problem of status {answer.json['status']}")
    return found


@pytest.mark.parametrize("path", PATHS)
def test_requests_that_the_document_allows_are_answered(ask: Client, path: str) -> None:
    @EXAMPLES
    @given(query=right_queries(path), video_id=st.sampled_from(IDS))
    def answered(query: dict[str, str], video_id: str) -> None:
        answer = ask(address(path, video_id, query))
        assert faults(path, answer) == []
        may_lack = "{id}" in path and (video_id != TALK or query.get("format") == "rttm" or "passage" in query)
        assert answer.status == 200 or (answer.status == 404 and may_lack)

    answered()


@pytest.mark.parametrize("path", PATHS)
def test_any_request_is_answered_as_the_document_says(ask: Client, path: str) -> None:
    @EXAMPLES
    @given(query=any_queries(path), video_id=st.sampled_from(IDS) | st.text(st.characters(exclude_characters="/")))
    def answered(query: dict[str, str], video_id: str) -> None:
        answer = ask(address(path, video_id or TALK, query))
        if video_id.strip(".") or "{id}" not in path:  # `.` and `..` lead to another address
            assert faults(path, answer) == []

    answered()


@pytest.mark.parametrize("path", PATHS)
def test_requests_that_the_document_forbids_are_refused(ask: Client, path: str) -> None:
    needed = {"q": "ship", "format": "vtt", "passage": "0"}
    least = {one["name"]: needed[one["name"]] for one in parameters(path) if one["required"]}
    wrong = [least | {one["name"]: text} for one in parameters(path) for text in wrong_values(plain(one["schema"]))]
    wrong += [{name: text for name, text in least.items() if name != left_out} for left_out in least]
    for query in [*wrong, {**least, "other": "1"}]:
        answer = ask(address(path, TALK, query))
        assert (answer.status, answer.problem) == (400, "bad-parameter"), query
        assert faults(path, answer) == []


def test_the_document_is_openapi_with_schemas_that_are_valid(ask: Client) -> None:
    assert ask(f"{API}/openapi.json").json == json.loads(json.dumps(DOCUMENT))
    assert DOCUMENT["openapi"].startswith("3.1.")
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    assert len({operation(path)["operationId"] for path in PATHS}) == len(PATHS)
    for path in PATHS:
        for parameter in operation(path)["parameters"]:
            jsonschema.Draft202012Validator.check_schema(parameter["schema"])
            assert parameter["in"] == "path" or parameter["description"], parameter
