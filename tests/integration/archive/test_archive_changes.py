"""Changes from the page and the API: who may ask, what is refused, and what becomes of a failure that is retried."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ingest.archive.web.access.editing import COOKIE, LONGEST_BODY
from ingest.archive.web.library import API
from ingest.shared.broker.topology import CHANGE_STREAM, WORK_STREAM
from ingest.shared.messages import VideoRequested, decode
from tests.support.archive_server import FAILED, Client, archive
from tests.support.browser import browser
from tests.support.changes import BEARER, TOKEN, key_of, post, session, wished

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingest.embedder.text_model.model_keys import TextModel
    from ingest.shared.broker.nats_bus import NatsBus

RETRY = json.dumps({"kind": "retry", "code": "NOT_AUDIO"}).encode()


def requested(bus: NatsBus) -> list[str]:
    return [decode(VideoRequested, data).video_id for _, data in bus.read(WORK_STREAM, "ingest.>")]


@pytest.mark.usefixtures("_carried_out")
def test_a_failure_is_retried_by_its_reason_and_the_page_shows_the_result(server: Client, bus: NatsBus) -> None:
    cookie = session(server)
    answer = post(server, "/changes", {"key": key_of(server, cookie), "code": "NOT_AUDIO"}, cookie=cookie)
    assert answer.status == 303
    assert b"1 recording is requested again" in server(answer.headers["location"]).body
    assert requested(bus) == [FAILED]


@pytest.mark.usefixtures("_carried_out")
def test_a_program_asks_with_the_token_and_reads_the_result(server: Client) -> None:
    assert wished(server, kind="retry", videos=["unknown_001"]) == ("refused", "the archive has no video unknown_001")


def test_without_a_running_embedder_the_page_says_that_the_change_waits(
    server: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.archive.web.changing.SOON_S", 0.0)
    cookie = session(server)
    answer = post(server, "/changes", {"key": key_of(server, cookie), "videos": FAILED}, cookie=cookie)
    assert b"On its way" in server(answer.headers["location"]).body
    answer = server(f"{API}/changes", "POST", RETRY, **BEARER)
    assert (answer.status, answer.json["state"]) == (202, "waiting")


def test_a_reader_without_the_right_changes_nothing(server: Client, bus: NatsBus) -> None:
    cookie = session(server)
    key = key_of(server, cookie)
    other = key_of(server, session(server))
    forged = f"{COOKIE}=99999999999.x.{'0' * 64}"
    wish = {"code": "NOT_AUDIO"}
    assert b'name="key"' not in server("/status").body
    assert b'name="key"' not in server("/status", cookie=forged).body
    for answer in (
        post(server, "/changes", wish),
        post(server, "/changes", wish, cookie=cookie),
        post(server, "/changes", {**wish, "key": key}),
        post(server, "/changes", {**wish, "key": other}, cookie=cookie),
        post(server, "/changes", {**wish, "key": key}, cookie=forged),
        post(server, "/changes", {**wish, "key": key}, cookie=cookie, origin="http://evil.example"),
        post(server, "/edit", {"token": "wrong"}),
        server("/edit?token=wrong"),
        server(f"{API}/changes", "POST", RETRY),
        server(f"{API}/changes", "POST", RETRY, cookie=cookie),
        server(f"{API}/changes", "POST", RETRY, authorization="Bearer wrong"),
        server(f"{API}/changes", "POST", RETRY, authorization="Basic bWU6bWF5LWVkaXQ="),
    ):
        assert answer.status == 403
        assert "set-cookie" not in answer.headers
    assert bus.stored(CHANGE_STREAM) == 0


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        pytest.param(b"{", 400, "bad-parameter", id="no JSON"),
        pytest.param(b"[]", 400, "bad-parameter", id="no object"),
        pytest.param(b'{"kind": "forget", "code": "NOT_AUDIO"}', 400, "bad-parameter", id="unknown kind"),
        pytest.param(b'{"kind": "retry"}', 400, "bad-parameter", id="nothing named"),
        pytest.param(b'{"kind": "retry", "videos": ["../etc"]}', 400, "bad-parameter", id="no id"),
        pytest.param(b'{"kind": "retry", "code": "NOT_AUDIO", "x": 1}', 400, "bad-parameter", id="unknown field"),
        pytest.param(b'{"kind": "name", "video": "talk_000001", "speaker": "A"}', 400, "bad-parameter", id="no name"),
        pytest.param(
            b'{"kind": "merge", "video": "talk_000001", "speaker": "A", "into": " "}', 400, "bad-parameter", id="empty"
        ),
        pytest.param(b'{"kind": "undo", "video": "talk_000001", "statement": 0}', 400, "bad-parameter", id="no number"),
        pytest.param(
            b'{"kind": "name", "video": "talk_000001", "speaker": "\\ud800", "name": "B"}',
            *(400, "bad-parameter"),
            id="half a letter",
        ),
        pytest.param(
            b'{"kind": "correct", "video": "talk_000001", "expected": "a", "replacement": ""}',
            *(400, "bad-parameter"),
            id="no words",
        ),
        pytest.param(
            b'{"kind": "correct", "video": "talk_000001", "expected": "a", "replacement": "b", "at_s": NaN}',
            *(400, "bad-parameter"),
            id="no time",
        ),
        pytest.param(b" " * (LONGEST_BODY + 1), 413, "too-large", id="too large"),
        pytest.param(b"[" * 90_000, 400, "bad-parameter", id="deep"),
    ],
)
def test_a_wish_that_is_none_is_refused(server: Client, bus: NatsBus, body: bytes, status: int, problem: str) -> None:
    answer = server(f"{API}/changes", "POST", body, **BEARER)
    assert (answer.status, answer.problem) == (status, problem)
    assert bus.stored(CHANGE_STREAM) == 0


def test_wrong_tokens_are_counted_and_also_the_right_one_then_waits(server: Client) -> None:
    tried = [post(server, "/edit", {"token": f"wrong{number}"}).status for number in range(11)]
    assert tried[:10] == [403] * 10
    assert tried[10] == server(f"/edit?token={TOKEN}").status == 429


def test_a_server_without_a_token_for_it_changes_nothing(ask: Client) -> None:
    for answer in (ask("/edit"), post(ask, "/changes", {"code": "NOT_AUDIO"}), ask(f"{API}/changes", "POST", RETRY)):
        assert answer.status == 404


def test_a_broker_that_is_gone_is_a_reason_and_not_a_fault(
    archive_url: str, archive_volume: Path, archive_encoder: TextModel
) -> None:
    gone = {"archive_edit_token": TOKEN, "nats_url": "nats://127.0.0.1:1", "bus_patience_s": 1.0}
    with archive(archive_url, archive_volume, archive_encoder, **gone) as client:
        answer = client(f"{API}/changes", "POST", RETRY, **BEARER)
    assert (answer.status, answer.problem) == (503, "unavailable")
    assert "nothing was changed" in answer.json["detail"]


@pytest.mark.long  # a browser starts
@pytest.mark.usefixtures("_carried_out")
def test_a_failure_is_retried_in_a_browser(
    server: Client, bus: NatsBus, program: Callable[[str, str], str], tmp_path: Path
) -> None:
    base = f"http://127.0.0.1:{server.port}"
    with browser(program("chromium", "chromium"), tmp_path / "browser") as page:
        page.look(390, 844, dark=True)
        page.open(f"{base}/edit")
        page.run("document.querySelector('[name=token]').focus()")
        page.type(TOKEN)
        page.press("Enter")
        page.until("location.pathname === '/status' && document.querySelector('button.small')")
        assert page.violations() == []
        assert page.run("document.cookie") == ""
        page.click("button.small")
        page.until("location.pathname.startsWith('/changes/') && document.body?.innerText.includes('requested again')")
        assert page.violations() == []
        assert page.trouble == []
    assert requested(bus) == [FAILED]
