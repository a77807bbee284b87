"""Changes from the page and the API: who may ask, what is refused, and what becomes of a failure that is retried."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr

from ingest.archive.web.access.editing import COOKIE, LONGEST_BODY
from ingest.archive.web.library import API
from ingest.cli.local.nats_server import NATS_USER
from ingest.embedder import changes, speaker_changes
from ingest.embedder.postgres.database import Database
from ingest.embedder.rebuild import Rebuilder
from ingest.embedder.requested_changes import Changes, Tools, carry_out
from ingest.embedder.tables import corrections, speaker_statements
from ingest.embedder.tables.ledger import write_events
from ingest.embedder.tables.store import Store
from ingest.shared.artifacts.volume import Volume
from ingest.shared.broker.topology import CHANGE_STREAM, WORK_STREAM
from ingest.shared.messages import ChangeRequested, VideoRequested, decode
from tests.integration.cli.test_forget import event
from tests.integration.embedder.test_speakers_by_hand import TALK as DEBATE
from tests.integration.embedder.test_speakers_by_hand import index, spoken, turns
from tests.support.archive_server import FAILED, LIMITS, NOW, TALK, Answer, Client, archive
from tests.support.browser import Page, browser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.cli.local.nats_server import EmbeddedNats
    from ingest.embedder.text_model.model_keys import PassageModel, TextModel
    from ingest.shared.broker.nats_bus import NatsBus

TOKEN = "may-edit"  # noqa: S105 (of this test)
FORM = {"content_type": "application/x-www-form-urlencoded"}
BEARER = {"authorization": f"Bearer {TOKEN}", "content_type": "application/json"}
RETRY = json.dumps({"kind": "retry", "code": "NOT_AUDIO"}).encode()


@pytest.fixture
def login(bus: NatsBus, nats_server: EmbeddedNats) -> dict[str, object]:
    """The settings for a broker whose streams are new and empty."""
    assert bus.stored(CHANGE_STREAM) == 0
    return {"nats_url": nats_server.url, "nats_user": NATS_USER, "nats_password": SecretStr(nats_server.password)}


@pytest.fixture
def server(
    login: dict[str, object], archive_url: str, archive_volume: Path, archive_encoder: TextModel
) -> Iterator[Client]:
    """A server that may ask for changes."""
    with archive(archive_url, archive_volume, archive_encoder, archive_edit_token=TOKEN, **login) as client:
        yield client


@pytest.fixture(scope="module")
def database(archive_url: str) -> Iterator[Database]:
    with Database(SecretStr(archive_url), password=None, size=2, timeout_s=20.0, name="test").open() as database:
        yield database


@pytest.fixture(scope="module")
def rebuilder(database: Database, archive_volume: Path, archive_encoder: PassageModel) -> Rebuilder:
    """What builds passages again, in an archive with a recording of three unknown speakers more."""
    volume = Volume(archive_volume)
    write_events(database, [(event(DEBATE, "a debate"), (1, 9))])
    index(database, volume, archive_encoder, spoken(turns()), 1)
    store = Store(database, archive_encoder.key, archive_encoder.dimensions)
    return Rebuilder(volume, database, store, archive_encoder, archive_encoder.key, LIMITS)


@pytest.fixture
def _carried_out(bus: NatsBus, database: Database, rebuilder: Rebuilder) -> Iterator[None]:
    thread = Changes(Tools(bus, database, lambda: rebuilder))
    thread.start()
    yield
    thread.stop()


def session(client: Client) -> str:
    answer = client(f"/edit?token={TOKEN}")
    assert (answer.status, answer.headers["location"]) == (303, "/status")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
    assert TOKEN not in cookie
    return cookie.partition(";")[0]


def key_of(client: Client, cookie: str) -> str:
    page = client("/status", cookie=cookie).body.decode()
    return page.partition('name="key" value="')[2].partition('"')[0]


def post(client: Client, path: str, fields: dict[str, str], **headers: str) -> Answer:
    return client(path, "POST", urlencode(fields).encode(), **FORM, **headers)


def wished(server: Client, **wish: object) -> tuple[str, str]:
    """Ask for a change as a program, and return what became of it."""
    answer = server(f"{API}/changes", "POST", json.dumps(wish).encode(), **BEARER)
    assert answer.status == 202
    found = answer.json  # of a fast embedder, the result is there already
    while found["state"] == "waiting":
        found = server(answer.headers["location"]).json
    return found["state"], found["result"]


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


@pytest.mark.usefixtures("_carried_out")
def test_speakers_are_named_and_merged_and_both_is_taken_back(server: Client) -> None:
    def speakers() -> dict[str, str | None]:
        return {one["speaker"]: one["named_by"] for one in recording()["speakers"]}

    def recording() -> Any:  # noqa: ANN401 (JSON)
        return server(f"{API}/recordings/{DEBATE}").json

    named = {"kind": "name", "video": DEBATE, "speaker": "unknown 1", "name": " Ada\tLovelace "}
    assert wished(server, **named) == ("done", "unknown 1 is Ada Lovelace now")
    assert speakers() == {"Ada Lovelace": "API", "Unknown 2": None, "Unknown 3": None}
    assert b"by hand, by API" in server(f"/recordings/{DEBATE}").body
    merged = {"kind": "merge", "video": DEBATE, "speaker": "Unknown 3", "into": "Ada Lovelace"}
    assert wished(server, **merged) == ("done", "Unknown 3 is Ada Lovelace now")
    assert speakers() == {"Ada Lovelace": "API", "Unknown 2": None}
    for one in recording()["by_hand"]:
        assert (one["author"], one["state"], one["name"]) == ("API", "placed", "Ada Lovelace")
        back = wished(server, kind="undo", video=DEBATE, statement=one["id"])
        assert back == ("done", "what was said by hand is taken back")
    assert speakers() == dict.fromkeys(("Unknown 1", "Unknown 2", "Unknown 3"))
    assert recording()["by_hand"] == []


@pytest.mark.usefixtures("_carried_out")
def test_words_are_corrected_at_one_place_or_in_the_whole_recording_and_that_is_taken_back(server: Client) -> None:
    def text() -> str:
        passages = server(f"{API}/recordings/{DEBATE}/transcript").json["passages"]
        return " ".join(one["text"] for one in passages)

    def listed() -> Any:  # noqa: ANN401 (JSON)
        return server(f"{API}/recordings/{DEBATE}").json["corrections"]

    before = text()
    one = {"kind": "correct", "video": DEBATE, "expected": "word12", "replacement": "twelve words", "at_s": 11.0}
    assert wished(server, **one) == ("done", "'word12' is 'twelve words' now")
    assert "word11 twelve words word13" in text()
    first = {"kind": "correct", "video": DEBATE, "expected": "word13", "replacement": "word14", "every": True}
    assert wished(server, **first) == ("done", "'word13' is 'word14' now")
    both = {**first, "expected": "word14", "replacement": "fourteen"}
    assert wished(server, **both) == ("done", "'word14' is 'fourteen' now at 2 places")
    assert "twelve words fourteen fourteen word15" in text()
    assert [(found["expected"], found["author"], found["state"]) for found in listed()] == [
        *[("word14", "API", "placed")] * 2,
        ("word13", "API", "placed"),
        ("word12", "API", "placed"),
    ]
    for found in listed():
        back = wished(server, kind="undo_correction", video=DEBATE, correction=found["id"])
        assert back == ("done", "the correction is taken back")
    assert (text(), listed()) == (before, [])


@pytest.mark.usefixtures("_carried_out")
@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        pytest.param(
            {"kind": "name", "video": DEBATE, "speaker": "Nobody", "name": "Ada"},
            f"Nobody is not a speaker of {DEBATE}; its speakers: Unknown 1, Unknown 2, Unknown 3",
            id="no such speaker",
        ),
        pytest.param(
            {"kind": "name", "video": DEBATE, "speaker": "Unknown 1", "name": "Unknown 7"},
            "'Unknown 7' is no name of a person",
            id="no name",
        ),
        pytest.param(
            {"kind": "name", "video": TALK, "speaker": "Ada", "name": "Eve"},
            f"{TALK} has no diarization: run it again with INGEST_DIARIZATION_MODEL set",
            id="no turns",
        ),
        pytest.param(
            {"kind": "name", "video": FAILED, "speaker": "Ada", "name": "Eve"},
            f"the volume has no transcript of {FAILED}",
            id="no transcript",
        ),
        pytest.param(
            {"kind": "merge", "video": DEBATE, "speaker": "Unknown 1", "into": "unknown 1"},
            "name two speakers of the recording",
            id="one speaker",
        ),
        pytest.param(
            {"kind": "undo", "video": DEBATE, "statement": 9_999},
            f"{DEBATE} has no statement 9999 about a speaker",
            id="no such statement",
        ),
        pytest.param(
            {"kind": "correct", "video": DEBATE, "expected": "word12", "replacement": "x", "at_s": 200.0},
            f"'word12' is not said near that time in {DEBATE}; there: ''",
            id="not said there",
        ),
        pytest.param(
            {"kind": "correct", "video": DEBATE, "expected": "nowhere", "replacement": "x", "every": True},
            f"'nowhere' is not said in {DEBATE}",
            id="not said at all",
        ),
        pytest.param(
            {"kind": "correct", "video": DEBATE, "expected": "word12", "replacement": "word12"},
            "the two texts are the same",
            id="no change",
        ),
        pytest.param(
            {"kind": "correct", "video": FAILED, "expected": "word12", "replacement": "x"},
            f"the volume has no transcript of {FAILED}",
            id="no words",
        ),
        pytest.param(
            {"kind": "undo_correction", "video": DEBATE, "correction": 9_999},
            f"{DEBATE} has no correction 9999",
            id="no such correction",
        ),
    ],
)
def test_a_change_of_a_recording_that_cannot_be_is_refused(
    server: Client, wish: dict[str, object], reason: str
) -> None:
    assert wished(server, **wish) == ("refused", reason)


def test_an_interrupted_wish_is_ended_and_not_made_again(
    bus: NatsBus, database: Database, rebuilder: Rebuilder
) -> None:
    wish = {"kind": "name", "video": DEBATE, "speaker": "Unknown 2", "name": "Grace Hopper"}
    asked = ChangeRequested.model_validate({"change_id": "interrupted", "at": NOW, "change": wish})
    tools = Tools(bus, database, lambda: rebuilder)
    assert [carry_out(tools, asked).result for _ in range(2)] == ["Unknown 2 is Grace Hopper now"] * 2
    (one,) = speaker_statements.listed(database, DEBATE)
    speaker_changes.undo(rebuilder, one.id)
    wish = {"kind": "correct", "video": DEBATE, "expected": "word12", "replacement": "twelve"}
    asked = ChangeRequested.model_validate({"change_id": "interrupted", "at": NOW, "change": wish})
    assert [carry_out(tools, asked).result for _ in range(2)] == ["'word12' is 'twelve' now"] * 2
    (corrected,) = corrections.listed(database, DEBATE, None, 10)
    changes.undo(rebuilder, corrected.id, whole_command=False)


@pytest.mark.usefixtures("rebuilder")
def test_the_page_of_a_reader_without_the_right_has_no_form_for_speakers(server: Client) -> None:
    path = f"/recordings/{DEBATE}"
    assert b'name="speaker"' not in server(path).body
    assert b'name="speaker"' in server(path, cookie=session(server)).body


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


@pytest.mark.usefixtures("_carried_out")
def test_an_editor_that_a_proxy_names_changes_something_under_its_name(
    login: dict[str, object], archive_url: str, archive_volume: Path, archive_encoder: TextModel
) -> None:
    rules = {"archive_proxies": "127.0.0.1", "archive_proxy_header": "X-User", "archive_editors": "ada, grace"}
    with archive(archive_url, archive_volume, archive_encoder, archive_edit_token=TOKEN, **login, **rules) as client:

        def key(user: str) -> str:
            page = client("/status", x_user=user).body.decode()
            return page.partition('name="key" value="')[2].partition('"')[0]

        assert key("eve") == ""
        wish = {"kind": "name", "video": DEBATE, "speaker": "Unknown 1", "name": "Alan Turing"}
        assert post(client, "/changes", {**wish, "key": key("grace")}, x_user="eve").status == 403
        assert post(client, "/changes", {**wish, "key": key("grace")}, x_user="ada").status == 403
        answer = post(client, "/changes", {**wish, "key": key("ada")}, x_user="ada")
        assert b"Unknown 1 is Alan Turing now" in client(answer.headers["location"], x_user="eve").body
        (said,) = client(f"{API}/recordings/{DEBATE}", x_user="eve").json["by_hand"]
        assert said["author"] == "ada"
        back = {"kind": "undo", "video": DEBATE, "statement": str(said["id"]), "key": key("grace")}
        assert post(client, "/changes", back, x_user="grace").status == 303
        assert client(f"{API}/recordings/{DEBATE}", authorization=f"Bearer {TOKEN}").json["by_hand"] == []


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


@pytest.mark.long  # a browser starts
@pytest.mark.usefixtures("_carried_out")
def test_a_speaker_is_named_and_words_are_corrected_in_a_browser_and_both_is_taken_back(
    server: Client, program: Callable[[str, str], str], tmp_path: Path
) -> None:
    base = f"http://127.0.0.1:{server.port}"
    with browser(program("chromium", "chromium"), tmp_path / "browser") as page:
        page.look(390, 844, dark=False)
        page.open(f"{base}/edit")
        page.run("document.querySelector('[name=token]').focus()")
        page.type(TOKEN)
        page.press("Enter")
        page.until("location.pathname === '/status'")
        page.open(f"{base}/recordings/{DEBATE}")
        page.click(".naming summary")
        page.run("document.querySelector('[data-kind=name] select').value = 'Unknown 2'")
        page.run("document.querySelector('[data-kind=name] [name=name]').focus()")
        page.type("Grace Hopper")
        assert page.violations() == []
        page.click("[data-kind=name] button")
        page.until("document.body?.innerText.includes('Unknown 2 is Grace Hopper now')")
        page.click("main a")
        page.until("document.querySelector('.transcript')?.innerText.includes('Grace Hopper by hand, by page')")
        page.click(".naming summary")
        assert page.violations() == []
        page.click("[data-kind=undo] button")
        page.until("document.body?.innerText.includes('is taken back')")
        page.open(f"{base}/recordings/{DEBATE}")
        assert not page.run("document.querySelector('article').innerText.includes('Grace Hopper')")
        correct_words(page)
        assert page.trouble == []


def correct_words(page: Page) -> None:
    """Put a word in where the passage stands, and take that back."""
    page.until("document.querySelector('[data-ready]')")
    page.click(".passage:nth-child(2) [data-correct]")
    assert page.run("document.activeElement.value.startsWith('Word20 word21 word22')")
    page.run("document.activeElement.setSelectionRange(7, 7)")
    page.type("and another ")
    assert page.violations() == []
    page.click(".fix button")
    page.until("document.body?.innerText.includes(`'Word20' is 'Word20 and another' now`)")
    page.click("main a")
    page.until("document.querySelector('#p1 .said')?.textContent.startsWith('Word20 and another word21')")
    assert page.run("location.search") == "?t=20.0"
    page.click(".correcting summary")
    assert page.violations() == []
    page.click("[data-kind=undo_correction] button")
    page.until("document.body?.innerText.includes('the correction is taken back')")
    page.click("main a")
    page.until("document.querySelector('#p1 .said')?.textContent.startsWith('Word20 word21')")
