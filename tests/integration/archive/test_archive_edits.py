"""Changes of a recording from the page and the API: its speakers and its words, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ingest.archive.web.library import API
from ingest.embedder import changes, speaker_changes
from ingest.embedder.requested_changes import Tools, carry_out
from ingest.embedder.tables import corrections, speaker_statements
from ingest.shared.messages import ChangeRequested
from tests.support.archive_server import FAILED, NOW, TALK, Client, archive
from tests.support.browser import Page, browser
from tests.support.changes import DEBATE, TOKEN, post, session, wished

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingest.embedder.postgres.database import Database
    from ingest.embedder.rebuild import Rebuilder
    from ingest.embedder.text_model.model_keys import TextModel
    from ingest.shared.broker.nats_bus import NatsBus


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
    bus: NatsBus, archive_database: Database, rebuilder: Rebuilder
) -> None:
    wish = {"kind": "name", "video": DEBATE, "speaker": "Unknown 2", "name": "Grace Hopper"}
    asked = ChangeRequested.model_validate({"change_id": "interrupted", "at": NOW, "change": wish})
    tools = Tools(bus, archive_database, lambda: rebuilder)
    assert [carry_out(tools, asked).result for _ in range(2)] == ["Unknown 2 is Grace Hopper now"] * 2
    (one,) = speaker_statements.listed(archive_database, DEBATE)
    speaker_changes.undo(rebuilder, one.id)
    wish = {"kind": "correct", "video": DEBATE, "expected": "word12", "replacement": "twelve"}
    asked = ChangeRequested.model_validate({"change_id": "interrupted", "at": NOW, "change": wish})
    assert [carry_out(tools, asked).result for _ in range(2)] == ["'word12' is 'twelve' now"] * 2
    (corrected,) = corrections.listed(archive_database, DEBATE, None, 10)
    changes.undo(rebuilder, corrected.id, whole_command=False)


@pytest.mark.usefixtures("rebuilder")
def test_the_page_of_a_reader_without_the_right_has_no_form_for_speakers(server: Client) -> None:
    path = f"/recordings/{DEBATE}"
    assert b'name="speaker"' not in server(path).body
    assert b'name="speaker"' in server(path, cookie=session(server)).body


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
