"""The read side on a real server and a real Postgres: its answers, its refusals, and a database that goes away."""

from __future__ import annotations

import gzip
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from prometheus_client import REGISTRY

from ingest.archive.web.library import API
from ingest.demo import conversation
from ingest.shared.artifacts.volume import Volume
from ingest.shared.errors import ConfigurationError
from tests.support.archive_server import FAILED, SECRET, TALK, Client, archive
from tests.support.bad_addresses import BAD_ADDRESSES
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from ingest.cli.local.postgres.server import EmbeddedPostgres
    from ingest.embedder.text_model.model_keys import TextModel

DATABASE = "test_archive_server"
TOKEN = "s3cret"  # noqa: S105 (of this test)


# -- answers ----------------------------------------------------------------------------------------------------------


def test_a_question_in_other_words_finds_the_passage_and_its_page(ask: Client) -> None:
    best = ask(f"{API}/search?q=boats+on+the+water").json["results"][0]
    assert best["recording"] == TALK
    assert best["page"] == f"/recordings/{TALK}?t={best['start_s']:.1f}"
    page = ask(best["page"])
    assert page.status == 200
    assert f'data-start="{best["start_s"]:.1f}"'.encode() in page.body


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        pytest.param("channel=harbor+talks", True, id="channel"),
        pytest.param("channel=other", False, id="other channel"),
        pytest.param("from=2026-10-31", True, id="from its day"),
        pytest.param("from=2026-11-01", False, id="from a later day"),
        pytest.param("until=2026-10-31", True, id="until its day"),
        pytest.param("until=2026-10-30", False, id="until an earlier day"),
        pytest.param("language=en", True, id="language"),
        pytest.param("language=de", False, id="other language"),
        pytest.param(f"recording={TALK}", True, id="recording"),
        pytest.param(f"recording={FAILED}", False, id="other recording"),
    ],
)
def test_the_filters_of_a_question_hold(ask: Client, filters: str, found: bool) -> None:  # noqa: FBT001 (a table)
    assert bool(ask(f"{API}/search?q=ship&{filters}").json["results"]) is found


def test_the_function_that_the_page_about_sql_gives_to_retrievers_answers(
    archive_url: str, archive_volume: Path, archive_encoder: TextModel
) -> None:
    page = (Path(__file__).parents[3] / "docs/sql.md").read_text()
    names: dict[str, Any] = {}
    exec(page.partition("```python ask\n")[2].partition("```")[0], names)  # noqa: S102 (what readers copy)
    with archive(archive_url, archive_volume, archive_encoder, archive_token=TOKEN) as client:
        names.update(SERVER=f"http://127.0.0.1:{client.port}", TOKEN=TOKEN)
        found = names["ask"]("boats on the water", channel="Harbor Talks", limit=2)
    assert [hit["recording"] for hit in found] == [TALK, TALK]
    assert all(hit["text"] and hit["link"] and SECRET not in str(hit) for hit in found)


def test_passages_like_a_passage_are_the_nearest_others(ask: Client) -> None:
    passages = ask(f"{API}/recordings/{TALK}/transcript").json["passages"]
    for passage in passages:
        found = ask(f"{API}/recordings/{TALK}/similar?passage={passage['index']}&limit=50").json["results"]
        assert found
        assert passage["index"] not in {hit["index"] for hit in found}
        assert [hit["similarity"] for hit in found] == sorted((hit["similarity"] for hit in found), reverse=True)
        page = ask(f"/recordings/{TALK}/similar?passage={passage['index']}&limit=1")
        assert (page.status, found[0]["page"].encode() in page.body) == (200, True)
    few = ask(f"{API}/recordings/{TALK}/similar?passage=0&limit=1").json["results"]
    assert few == ask(f"{API}/recordings/{TALK}/similar?passage=0").json["results"][:1]
    for wrong in (f"{TALK}/similar?passage={len(passages)}", f"{FAILED}/similar?passage=0"):
        assert ask(f"{API}/recordings/{wrong}").problem == "not-found"


def test_the_list_of_recordings_is_read_page_by_page(ask: Client) -> None:
    first = ask(f"{API}/recordings?limit=1").json
    second = ask(f"{API}/recordings?limit=1&cursor={first['next']}").json
    assert {first["recordings"][0]["id"], second["recordings"][0]["id"]} == {TALK, FAILED}
    assert second["next"] is None


def test_a_transcript_has_the_words_with_their_times(ask: Client) -> None:
    passages = ask(f"{API}/recordings/{TALK}/transcript?words=true").json["passages"]
    spoken = [word for passage in passages for word in passage["words"]]
    assert " ".join(word["text"] for word in spoken) == conversation().text
    assert [word["start_s"] for word in spoken] == sorted(word["start_s"] for word in spoken)
    plain = ask(f"{API}/recordings/{TALK}/transcript").json["passages"]
    assert {passage["words"] for passage in plain} == {None}


def test_the_speakers_of_a_recording_share_its_speech(ask: Client) -> None:
    shares = ask(f"{API}/recordings/{TALK}").json["speakers"]
    assert {share["speaker"] for share in shares} == {sentence.speaker or None for sentence in conversation().sentences}
    assert sum(share["share"] for share in shares) == pytest.approx(1)


def test_the_status_counts_what_is_searchable_by_channel_and_language(ask: Client) -> None:
    status = ask(f"{API}/status").json
    part = {"recordings": 1, "duration_s": status["duration_s"]}
    assert (status["channels"], status["languages"]) == ([{"name": "Harbor Talks"} | part], [{"name": "en"} | part])
    page = ask("/status").body
    for path in (b"/recordings?channel=Harbor+Talks", b"/recordings?language=en"):
        assert path in page


def test_a_failure_is_shown_with_its_advice_and_without_secrets(ask: Client) -> None:
    (failed,) = ask(f"{API}/recordings?state=failed").json["recordings"]
    assert failed["code"] == "NOT_AUDIO"
    assert failed["advice"]
    pages = ("/", "/recordings", f"/recordings/{TALK}", f"/recordings/{FAILED}", "/status", "/speakers")
    for path in (*pages, f"{API}/status", f"{API}/recordings", f"{API}/recordings/{TALK}", f"{API}/search?q=ship"):
        answer = ask(path)
        assert answer.status == 200
        assert SECRET.encode() not in answer.body
        assert b"<script>alert" not in answer.body or answer.headers["content-type"] == "application/json"


def test_content_that_a_client_has_is_not_sent_again(ask: Client) -> None:
    first = ask(f"{API}/speakers")
    again = ask(f"{API}/speakers", if_none_match=f'"other", W/{first.headers["etag"]}')
    assert (again.status, again.body) == (304, b"")


def test_large_content_is_compressed_for_clients_that_can_unpack_it(ask: Client) -> None:
    plain = ask(f"{API}/recordings/{TALK}/transcript?words=true")
    packed = ask(f"{API}/recordings/{TALK}/transcript?words=true", accept_encoding="br, gzip;q=0.5")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["etag"] != plain.headers["etag"]
    refused = ask(f"{API}/recordings/{TALK}/transcript?words=true", accept_encoding="gzip;q=0")
    assert "content-encoding" not in refused.headers


def test_audio_is_sent_whole_and_in_ranges(ask: Client) -> None:
    path, audio = f"{API}/recordings/{TALK}/audio", conversation().path.read_bytes()
    whole = ask(path)
    assert (whole.status, whole.body) == (200, audio)
    assert whole.headers["content-type"] == "audio/ogg"
    part = ask(path, range="bytes=1000-1999")
    assert (part.status, part.body) == (206, audio[1000:2000])
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(audio)}"
    changed = ask(path, range="bytes=1000-1999", if_range='"another"')
    assert (changed.status, changed.body) == (200, audio)
    assert ask(path, if_none_match=whole.headers["etag"]).status == 304
    assert ask(path, method="HEAD").headers["content-length"] == str(len(audio))


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "status", "problem"), BAD_ADDRESSES)
def test_bad_input_has_an_exact_status_and_type(ask: Client, path: str, status: int, problem: str) -> None:
    answer = ask(path, accept="application/json")
    assert (answer.status, answer.problem) == (status, problem), answer.body
    assert "x-injected" not in answer.headers
    assert_protected(answer.headers)


def assert_protected(headers: dict[str, str]) -> None:
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/", f"{API}/search?q=a", f"{API}/recordings/{TALK}/audio"])
def test_nothing_can_be_changed(ask: Client, method: str, path: str) -> None:
    answer = ask(path, method=method, origin="https://other.example")
    assert (answer.status, answer.problem) == (405, "wrong-method")
    assert answer.headers["allow"] == "GET, HEAD"
    assert_protected(answer.headers)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        pytest.param("localhost", 200, id="localhost"),
        pytest.param("LOCALHOST:1234", 200, id="with a port"),
        pytest.param("[::1]:8080", 200, id="IPv6"),
        pytest.param("archive.example:8080", 421, id="a name that points here"),
        pytest.param("localhost.archive.example", 421, id="a name that begins like ours"),
        pytest.param("", 421, id="empty"),
    ],
)
def test_only_names_of_this_server_are_answered(ask: Client, host: str, status: int) -> None:
    answer = ask("/status", host=host)
    assert answer.status == status
    assert answer.problem == ("wrong-host" if status == 421 else "")


def test_a_range_outside_of_the_audio_is_refused(ask: Client) -> None:
    answer = ask(f"{API}/recordings/{TALK}/audio", range="bytes=99999999-")
    assert (answer.status, answer.problem) == (416, "no-range")


def test_a_browser_gets_the_problem_as_a_page(ask: Client) -> None:
    answer = ask("/recordings/nothing", accept="text/html")
    assert (answer.status, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert_protected(answer.headers)


def test_bytes_that_are_no_request_end_the_connection_alone(ask: Client) -> None:
    for sent in (b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\nHost: a\nX: \x00\r\n\r\n", b"GET /" + b"a" * 100_000):
        with socket.create_connection(("127.0.0.1", ask.port), timeout=20) as connection:
            connection.sendall(sent)
            assert connection.recv(100).startswith(b"HTTP/1.1 400")
    assert ask("/healthz").body == b"ok\n"


def test_audio_in_the_place_of_a_link_is_not_sent(ask: Client, archive_volume: Path, tmp_path: Path) -> None:
    manifest = Volume(archive_volume).manifest(TALK, "audio")
    assert manifest is not None
    file, other = on_disk(Volume(archive_volume)).root / manifest.artifact.path, tmp_path / "other"
    content = file.read_bytes()
    other.write_text("of another user")
    file.unlink()
    file.symlink_to(other)
    try:
        answer = ask(f"{API}/recordings/{TALK}/audio")
        assert answer.status >= 400
        assert b"of another user" not in answer.body
    finally:
        file.unlink()
        file.write_bytes(content)


def test_with_a_token_every_request_but_the_probe_has_to_bring_it(
    archive_url: str, archive_volume: Path, archive_encoder: TextModel
) -> None:
    with archive(
        archive_url, archive_volume, archive_encoder, archive_token=TOKEN, archive_names="archive.example"
    ) as ask:
        for path in ("/", f"{API}/status", "/static/app.css"):
            refused = ask(path, authorization="Bearer wrong")
            assert (refused.status, refused.problem) == (401, "no-token")
            assert ask(path).headers["www-authenticate"].startswith("Basic")
            assert ask(path, authorization="Bearer s3cret", host="archive.example").status == 200
            assert ask(path, authorization="Basic YW55OnMzY3JldA==").status == 200  # any:s3cret
            assert ask(path, authorization="Basic ÿ").status == 401
        assert ask("/healthz", host="10.0.0.7:8080").status == 200


def test_a_client_that_tries_tokens_waits(archive_url: str, archive_volume: Path, archive_encoder: TextModel) -> None:
    with archive(archive_url, archive_volume, archive_encoder, archive_token=TOKEN) as ask:
        path = f"{API}/status"
        guesses = [ask(path, authorization=f"Bearer {number}").status for number in range(12)]
        assert guesses == [401] * 10 + [429] * 2
        right = ask(path, authorization=f"Bearer {TOKEN}")  # its answer would tell the right token from the others
        assert (right.status, right.problem) == (429, "wrong-tokens")
        assert 0 < int(right.headers["retry-after"]) <= 60
        assert ask("/mcp", authorization=f"Bearer {TOKEN}", method="POST").status == 429
        assert ask(path).status == 401
        assert ask("/healthz").status == 200


def ignored_users() -> float:
    return REGISTRY.get_sample_value("ingest_http_ignored_users_total") or 0.0


def test_users_are_taken_from_a_known_proxy_alone(
    archive_url: str, archive_volume: Path, archive_encoder: TextModel
) -> None:
    def statuses(known: str, **settings: object) -> list[int]:
        """Return the status of a request without a user, with one, with one named twice, and with an endless one."""
        rules = {"archive_proxies": known, "archive_proxy_header": "X-Forwarded-User", **settings}
        with archive(archive_url, archive_volume, archive_encoder, **rules) as ask:
            assert ask("/healthz").status == 200
            path = f"{API}/status"
            return [
                ask(path).status,
                ask(path, X_Forwarded_User="ada").status,
                ask(path, X_Forwarded_User="ada", x_forwarded_user="eve").status,
                ask(path, X_Forwarded_User="a" * 201).status,
            ]

    ignored = ignored_users()
    assert statuses("10.0.0.7,127.0.0.0/8") == [403, 200, 403, 403]
    assert ignored_users() == ignored
    assert statuses("10.0.0.7") == [403] * 4
    assert ignored_users() == ignored + 3
    assert statuses("127.0.0.1", archive_token=TOKEN) == [401, 200, 401, 401]


def test_a_client_that_asks_too_much_waits_and_no_other_one(
    archive_url: str, archive_volume: Path, archive_encoder: TextModel
) -> None:
    rules = {"archive_requests_per_minute": 3, "archive_proxies": "127.0.0.1"}
    with archive(archive_url, archive_volume, archive_encoder, **rules) as ask:
        answers = [ask(f"{API}/nothing", x_forwarded_for="192.0.2.1") for _ in range(4)]
        assert [answer.status for answer in answers] == [404] * 3 + [429]
        assert (answers[3].problem, answers[3].headers["retry-after"]) == ("too-many", "20")
        assert ask(f"{API}/nothing", x_forwarded_for="192.0.2.1, 192.0.2.2").status == 404  # the first may be invented
        for path in ("/healthz", "/static/app.css"):
            assert ask(path, x_forwarded_for="192.0.2.1").status == 200


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        pytest.param({"archive_proxy_header": "X-User"}, "INGEST_ARCHIVE_PROXIES", id="a header of each client"),
        pytest.param(
            {"archive_proxies": "10.0.0.7", "archive_proxy_header": "X-User", "archive_editors": "ada"},
            "INGEST_ARCHIVE_EDIT_TOKEN",
            id="forms that nothing signs",
        ),
        pytest.param({"archive_editors": "ada"}, "INGEST_ARCHIVE_PROXY_HEADER", id="editors without a name"),
        pytest.param({"archive_proxies": "10.0.0.7/8"}, "host bits", id="no network"),
    ],
)
def test_settings_that_would_trust_each_client_are_refused(
    archive_url: str, archive_volume: Path, archive_encoder: TextModel, settings: dict[str, object], words: str
) -> None:
    with (
        pytest.raises(ConfigurationError, match=words),
        archive(archive_url, archive_volume, archive_encoder, **settings),
    ):
        pass


# -- trouble ----------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_database_that_goes_away_is_named_and_comes_back(postgres: EmbeddedPostgres, ask: Client) -> None:
    admin = postgres.url.replace("/ingest?", "/postgres?")
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS false")
        connection.execute(end, (DATABASE,))
        try:
            answer = ask(f"{API}/status")
            assert (answer.status, answer.problem) == (503, "unavailable")
            assert answer.json["code"] == "ENV_DB_UNAVAILABLE"
            assert answer.headers["retry-after"]
            assert ask("/healthz").status == 200
        finally:
            connection.execute(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS true")
    assert ask(f"{API}/status").status == 200


def test_an_empty_archive_has_useful_pages(database_url: str, tmp_path: Path, archive_encoder: TextModel) -> None:
    with archive(database_url, tmp_path, archive_encoder) as ask:
        for path in ("/", "/recordings", "/status"):
            assert b"The archive is empty" in ask(path).body
        assert b"No speaker has a name yet" in ask("/speakers").body
        assert ask(f"{API}/search?q=ship").json == {"results": [], "undated": 0}


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.long
def test_connections_that_send_nothing_keep_no_client_from_its_answer(
    archive_url: str, archive_volume: Path, archive_encoder: TextModel
) -> None:
    with archive(archive_url, archive_volume, archive_encoder, archive_connections=8) as ask, ExitStack() as opened:
        silent = [
            opened.enter_context(socket.create_connection(("127.0.0.1", ask.port), timeout=60)) for _ in range(30)
        ]
        for one in silent[::2]:
            with suppress(OSError):
                one.sendall(b"GET / HTTP/1.1\r\nHost: local")  # and no end
        assert [ask("/healthz").status for _ in range(3)] == [200, 200, 200]
        assert is_closed(silent[0])  # for a later one
        assert is_closed(silent[-1])  # after its time
