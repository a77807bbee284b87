"""The archive for agents: the tools over both transports, asked by the SDK's own client, on a real archive."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import datetime
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from mcp.client import Client as Agent
from mcp.client.stdio import StdioServerParameters

from ingest.archive.agents.server import LONGEST_REQUEST_BYTES
from ingest.archive.agents.tools import TOOLS
from ingest.archive.web.library import API
from ingest.cli.app import app
from ingest.cli.console import INTERRUPTED
from tests.support.archive_server import FAILED, SECRET, TALK, Client, archive
from tests.support.command_line import CommandLine

if TYPE_CHECKING:
    from pathlib import Path

    from mcp_types import CallToolResult

    from ingest.embedder.text_model.model_keys import TextModel

QUESTION = "boats on the water"
TOKEN = "s3cret"  # noqa: S105 (of this test)
PING = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}'
JSON = {"content_type": "application/json", "accept": "application/json, text/event-stream"}
CITED = {"recording", "title", "second", "speaker", "speaker_score", "link", "token"}
VIEW = """
SELECT index, recording, title, channel, published_at, start_s, end_s, text, speaker, score FROM archive_passages
"""
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("search", {"query": QUESTION}),
    ("search", {"query": QUESTION, "speaker": "", "channel": "harbor talks", "from": "2026-10-31", "limit": 1}),
    ("fetch", {"id": TALK}),
    ("fetch", {"id": f"{TALK}:1"}),
    ("list_recordings", {}),
    ("list_recordings", {"state": "failed"}),
    ("transcript", {"recording": TALK}),
    ("transcript", {"recording": TALK, "from": 5, "to": 20}),
    ("who_speaks", {"recording": TALK}),
    ("who_speaks", {"recording": TALK, "from": 0, "to": 10.5}),
    ("speakers", {}),
)


def asked(server: str | StdioServerParameters, calls: Any, mode: str = "auto") -> list[CallToolResult]:  # noqa: ANN401
    """Return the answers of a server to calls of its tools; the client compares them with the tools' schemas."""

    async def run() -> list[CallToolResult]:
        async with Agent(server, mode=mode) as agent:
            return [await agent.call_tool(name, arguments) for name, arguments in calls]

    return asyncio.run(run())


def contents(results: list[CallToolResult]) -> list[Any]:
    assert not any(result.is_error for result in results), results
    for result in results:
        (content,) = result.model_dump()["content"]
        assert json.loads(content["text"]) == result.structured_content
        assert SECRET not in content["text"]
    return [result.structured_content for result in results]


def parts(answer: Any) -> list[Any]:  # noqa: ANN401 (JSON)
    """Return the parts of an answer that need a citation."""
    return next((value for value in answer.values() if isinstance(value, list)), [answer])


@pytest.mark.long
def test_an_agent_gets_the_same_answers_over_a_pipe_and_over_http(
    ask: Client, archive_url: str, archive_volume: Path
) -> None:
    url = f"http://127.0.0.1:{ask.port}/mcp"
    variables = environment(archive_url, archive_volume)
    command = StdioServerParameters(command=sys.executable, args=["-m", "ingest.cli", "mcp"], env=variables)
    answers = contents(asked(url, CALLS))
    assert contents(asked(command, CALLS)) == answers
    assert contents(asked(url, CALLS, mode="legacy")) == answers
    for answer in answers:
        assert parts(answer)
        assert all(part["citation"].keys() == CITED for part in parts(answer))


def environment(archive_url: str, archive_volume: Path) -> dict[str, str]:
    """Return the environment of a command on the filled archive."""
    return {
        "INGEST_DATABASE_URL": archive_url,
        "INGEST_VOLUME_PATH": str(archive_volume),
        "PYTHONPATH": ":".join(sys.path),
    }


@pytest.mark.long
def test_an_interruption_ends_the_command_while_it_waits_for_an_agent(archive_url: str, archive_volume: Path) -> None:
    command = [sys.executable, "-m", "ingest.cli", "mcp"]
    variables = {**os.environ, **environment(archive_url, archive_volume)}
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, env=variables) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in (b"[" * (3 * LONGEST_REQUEST_BYTES), PING):  # too long, also for the parser of JSON
            process.stdin.write(line + b"\n")
        process.stdin.flush()
        answers = iter(process.stdout.readline, b"")
        assert next(answer for answer in map(json.loads, answers) if answer.get("id") == 1)["result"] == {}
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == INTERRUPTED


def test_page_api_tool_command_and_view_give_the_same_answer(
    ask: Client, archive_url: str, archive_volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_api = ask(f"{API}/search?q={QUESTION.replace(' ', '+')}").json["results"]
    assert len(by_api) > 1
    (answer,) = contents(asked(f"http://127.0.0.1:{ask.port}/mcp", CALLS[:1]))
    monkeypatch.setenv("INGEST_DATABASE_URL", archive_url)
    monkeypatch.setenv("INGEST_VOLUME_PATH", str(archive_volume))
    by_command = json.loads(CommandLine().invoke(app, ["search", QUESTION, "--limit", "10", "--json"]).stdout)
    page = ask(f"/?q={QUESTION.replace(' ', '+')}").body.decode()
    assert [hit["citation"]["second"] for hit in answer["results"]] == [hit["start_s"] for hit in by_api]
    assert [(hit["url"], hit["text"], hit["id"]) for hit in answer["results"]] == [
        (hit["link"], hit["text"], f"{TALK}:{hit['index']}") for hit in by_api
    ]
    names = ("start_s", "text", "speaker", "speaker_score", "score", "index")
    assert [[hit[name] for name in names] for hit in by_command] == [[hit[name] for name in names] for hit in by_api]
    at = [page.index(f"/recordings/{TALK}?t={hit['start_s']:.1f}") for hit in by_api]
    assert at == sorted(at)
    with psycopg.connect(archive_url) as connection:
        rows = connection.execute(VIEW).fetchall()
    by_view = {index: found for index, *found in rows}
    columns = ("recording", "title", "channel", "published_at", "passage_start_s", "passage_end_s", "text", "speaker")
    for hit in by_api:
        said = {**hit, "published_at": datetime.fromisoformat(hit["published_at"])}
        *told, score = by_view[hit["index"]]
        assert told == [said[name] for name in columns]
        assert score == pytest.approx(hit["speaker_score"])


def test_the_tools_read_recordings_as_the_api_does(ask: Client) -> None:
    calls = (("transcript", {"recording": TALK}), ("who_speaks", {"recording": TALK}), ("fetch", {"id": TALK}))
    transcript, voices, document = contents(asked(f"http://127.0.0.1:{ask.port}/mcp", calls))
    passages = ask(f"{API}/recordings/{TALK}/transcript").json["passages"]
    assert [said["text"] for said in transcript["passages"]] == [passage["text"] for passage in passages]
    assert [said["citation"]["link"] for said in transcript["passages"]] == [passage["link"] for passage in passages]
    shares = {share["speaker"]: share["seconds"] for share in ask(f"{API}/recordings/{TALK}").json["speakers"]}
    assert {voice["speaker"]: voice["seconds"] for voice in voices["speakers"]} == pytest.approx(shares)
    assert all(passage["text"] in document["text"] for passage in passages)


@pytest.mark.parametrize(
    ("tool", "arguments", "text"),
    [
        pytest.param("search", {}, "'query': Field required", id="nothing"),
        pytest.param("search", {"query": " "}, "'query': Field required", id="an empty question"),
        pytest.param("search", {"query": "a" * 501}, "at most 500 characters", id="a long question"),
        pytest.param("search", {"query": "-ship"}, "only words that are left out", id="only words to leave out"),
        pytest.param("search", {"query": "a\u0000b"}, "control characters", id="a control character"),
        pytest.param("search", {"query": "a", "limit": 51}, "'limit': Input should be less", id="a large limit"),
        pytest.param("search", {"query": "a", "from": "soon"}, "'from': Input should be a valid date", id="no date"),
        pytest.param("search", {"query": "a", "q": "b"}, "'q' is unknown", id="an unknown argument"),
        pytest.param("fetch", {"id": "../../etc/passwd"}, "'id': String should match", id="no id"),
        pytest.param("fetch", {"id": "a" * 11}, "no recording with this id", id="an id that is not there"),
        pytest.param("fetch", {"id": f"{TALK}:99999"}, "has no passage 99999", id="a passage that is not there"),
        pytest.param("transcript", {"recording": TALK, "from": 9, "to": 9}, "later than 'from'", id="no time"),
        pytest.param(
            "transcript", {"recording": TALK, "from": -1}, "greater than or equal to 0", id="before the start"
        ),
        pytest.param("who_speaks", {"recording": FAILED[:-1]}, "'recording': String should match", id="a short id"),
        pytest.param("list_recordings", {"cursor": "bm90aGluZw"}, "is not one that this server made", id="no cursor"),
        pytest.param("speakers", {"limit": [1]}, "'limit': Input should be a valid integer", id="a list"),
    ],
)
def test_wrong_arguments_are_named(ask: Client, tool: str, arguments: dict[str, Any], text: str) -> None:
    call = {"name": tool, "arguments": arguments}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    result = ask("/mcp", "POST", json.dumps(message).encode(), **JSON).json["result"]
    assert result["isError"] is True
    assert text in result["content"][0]["text"]


def test_an_unknown_tool_is_an_error_that_names_the_tools(ask: Client) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "shell", "arguments": {}}}
    error = ask("/mcp", "POST", json.dumps(message).encode(), **JSON).json["error"]
    assert error["message"] == f"there is no such tool; the tools are {', '.join(TOOLS)}"


@pytest.mark.parametrize(
    ("method", "body", "headers", "status"),
    [
        pytest.param("POST", PING, {}, 200, id="a request"),
        pytest.param("POST", PING, {"origin": "http://localhost:8080"}, 200, id="a page of this server"),
        pytest.param("POST", PING, {"origin": "https://other.example"}, 403, id="a page of another site"),
        pytest.param("POST", PING, {"origin": "null"}, 403, id="a page of no site"),
        pytest.param("POST", PING, {"host": "other.example"}, 421, id="a name that points here"),
        pytest.param("POST", PING, {"content_type": "text/plain"}, 400, id="a form of another site"),
        pytest.param("POST", b"{" * 70_000, {}, 413, id="a long request"),
        pytest.param("POST", b"\xff", {}, 400, id="no JSON"),
        pytest.param("GET", None, {}, 405, id="a stream"),
        pytest.param("DELETE", None, {}, 405, id="the end of a session"),
        pytest.param("OPTIONS", None, {"origin": "https://other.example"}, 405, id="a question of a browser"),
    ],
)
def test_requests_of_agents_pass_the_same_guard(
    ask: Client, method: str, body: bytes | None, headers: dict[str, str], status: int
) -> None:
    answer = ask("/mcp", method, body, **{**JSON, **headers})
    assert answer.status == status, answer.body
    assert "access-control-allow-origin" not in answer.headers


def test_with_a_token_an_agent_has_to_bring_it(
    archive_url: str, archive_volume: Path, archive_encoder: TextModel
) -> None:
    with archive(archive_url, archive_volume, archive_encoder, archive_token=TOKEN) as ask:
        assert ask("/mcp", "POST", PING, **JSON).problem == "no-token"
        assert ask("/mcp", "POST", PING, **JSON, authorization=f"Bearer {TOKEN}").status == 200
