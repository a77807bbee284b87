"""Text that leaves the program: secrets masked, nothing that a terminal would obey."""

from __future__ import annotations

import json
import time
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ingest.shared import outgoing

TOKEN = "hunter2"  # noqa: S105 (the secret of these tests)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        pytest.param("nats://ingest:hunter2@host:4222", "nats://***@host:4222", id="password of a server"),
        pytest.param("at postgresql://u:hunter2@db/x, port", "at postgresql://***@db/x, port", id="inside a text"),
        pytest.param("https://hunter2@host/path", "https://***@host/path", id="token for a user"),
        pytest.param(
            "https://host/hls/sig/hunter2/a.m3u8", "https://host/hls/sig/***/a.m3u8", id="signature in a path"
        ),
        pytest.param("https://host/lsig/hunter2?e=1", "https://host/lsig/***?***", id="signature at the end of a path"),
        pytest.param(
            "get https://manifest.googlevideo.com/api/manifest/ip/1.2.3.4/sparams/a,b/sig/hunter2/index.m3u8: 403",
            "get https://manifest.googlevideo.com/*** 403",
            id="address of YouTube's media",
        ),
        pytest.param(
            "'https://u:hunter2@rr1---sn-x.googlevideo.com:443/videoplayback?pot=hunter2'",
            "'https://***@rr1---sn-x.googlevideo.com:443/***'",
            id="the same with all that an address may have",
        ),
        pytest.param("https://host/a.mp3?sig=hunter2&e=1", "https://host/a.mp3?***", id="signature"),
        pytest.param("get 'https://host/a?sig=hunter2' now", "get 'https://host/a?***' now", id="quoted"),
        pytest.param(
            "https://u:hunter2@host/a?sig=hunter2 and http://b/?t=hunter2",
            "https://***@host/a?*** and http://b/?***",
            id="several",
        ),
        pytest.param("host=db password=hunter2 user=u", "host=db password=*** user=u", id="DSN"),
        pytest.param("host=db PASSWORD='hunter 2' user=u", "host=db PASSWORD=*** user=u", id="quoted in a DSN"),
        pytest.param("host=db password = hunter2 user=u", "host=db password = *** user=u", id="blanks in a DSN"),
        pytest.param(r"password='it\'s hunter2' user=u", "password=*** user=u", id="a quote in a DSN"),
        pytest.param("https://u:it's'hunter2@host/a", "https://***@host/a", id="a quote in a login"),
        pytest.param("nats://u:it's'hunter2@host,nats://b", "nats://***@host,nats://b", id="a quote, of a server"),
        pytest.param("GET /\nAuthorization: Bearer hunter2\nX: y", "GET /\nAuthorization: ***\nX: y", id="header"),
        pytest.param("{'Cookie': 'SID=hunter2; b=c', 'x': 1}", "{'Cookie': '***', 'x': 1}", id="header in a dict"),
        pytest.param('{"api_key": "hunt\\"er2", "b": 1}', '{"api_key": ***, "b": 1}', id="key of JSON"),
        pytest.param("https://h/#access_token=hunter2&a=b", "https://h/#access_token=***&a=b", id="after the hash"),
        pytest.param("with hf_hunter2hunter2hunter2 to", "with hf_*** to", id="token of the hub"),
        pytest.param("1nats://u:hunter2@host", "1nats://***@host", id="after a digit"),
        pytest.param("postgresql://db/x?password=hunter2", "postgresql://db/x?password=***", id="password in a query"),
    ],
)
def test_secrets_in_a_text_are_masked(text: str, redacted: str) -> None:
    assert outgoing.redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("https://www.youtube.com/watch?v=dQw4w9WgXcQ", id="video"),
        pytest.param("see https://www.youtube.com/watch?v=dQw4w9WgXcQ.", id="video at the end of a sentence"),
        pytest.param("https://www.youtube.com/playlist?list=UU_x5XG1OV2P6uZZ5FSM9Ttw", id="playlist"),
        pytest.param("what? me@example.org", id="no address"),
        pytest.param("unexpected token: 'a' after 12 tokens", id="a token that is none"),
        pytest.param("set INGEST_NATS_PASSWORD, or cookies", id="the names of secrets"),
        pytest.param("https://example.org/a.mp3", id="no query"),
        pytest.param("https://example.org/design/signatures/a.mp3", id="a path that only begins like a signature"),
    ],
)
def test_a_text_without_secrets_stays(text: str) -> None:
    assert outgoing.redact(text) == text


@pytest.mark.parametrize("text", ["k" * 2_000_000, "http://" * 300_000, "k@" * 1_000_000, "a " * 1_000_000])
def test_a_text_of_megabytes_is_cut_in_no_time(text: str) -> None:
    began = time.thread_time()  # what it computes, on a busy machine, too
    assert len(outgoing.redact(text)) < outgoing.LONGEST_VALUE + 100
    assert time.thread_time() - began < 2


def test_no_half_of_an_address_is_left_where_a_long_text_is_cut() -> None:
    text = "x " * (outgoing.LONGEST_VALUE // 2 - 10) + "nats://user:hunter2@host:4222 " + "x" * 100
    assert TOKEN in text[: outgoing.LONGEST_VALUE]
    assert TOKEN not in outgoing.redact(text)


def test_a_query_that_only_begins_like_a_video_is_masked() -> None:
    url = "https://www.youtube.com/watch?v=dQw4w9WgXcQ&sig=hunter2"
    assert TOKEN not in outgoing.redact(url)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        pytest.param("https://u:p@ss@host/a", "https://***@host/a", id="an @ in the password"),
        pytest.param("postgresql://u:p/w@host/x", "postgresql://***@host/x", id="a slash in the password"),
        pytest.param('after "postgres//u:hunter2@h/x" in', 'after "postgres//***@h/x" in', id="no scheme"),
        pytest.param("u:hunter2@db:5432 refused", "***@db:5432 refused", id="neither scheme nor slashes"),
        pytest.param("https://www.youtube.com/@name", "https://www.youtube.com/@name", id="a handle is no login"),
        pytest.param("at 12:30 me@example.org", "at 12:30 me@example.org", id="a time and a mail address"),
    ],
)
def test_a_login_is_masked_in_every_form(text: str, redacted: str) -> None:
    assert outgoing.redact(text) == redacted


@pytest.mark.parametrize("text", ["=a:" * 100_000, "nats://" * 100_000, "a:@" * 100_000])
def test_a_text_full_of_halves_of_logins_is_cut_in_no_time(text: str) -> None:
    began = time.thread_time()
    outgoing.redact(text)
    assert time.thread_time() - began < 2


@pytest.mark.parametrize(
    ("url", "printed"),
    [
        pytest.param("https://h/a b\x1b[2J.mp3?x=%20", "https://h/a%20b%1B[2J.mp3?x=%20", id="escape sequence"),
        pytest.param("https://h/\u202e3pm.exe\x9b", "https://h/%E2%80%AE3pm.exe%C2%9B", id="writing direction and C1"),
        pytest.param("https://me:hunter2@h/ü#\n", "https://h/%C3%BC#%0A", id="login, other letters, line end"),
        pytest.param("https://h/\ud800", "https://h/%3F", id="half a character"),
    ],
)
def test_an_address_is_printed_percent_encoded_and_without_its_login(url: str, printed: str) -> None:
    assert outgoing.address(url) == printed


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        pytest.param("token=hunter2&e=1", "token=***&e=1", id="token"),
        pytest.param("e=1&feedKey=hunter2", "e=1&feedKey=***", id="a name in camel case"),
        pytest.param(
            "X-Amz-Credential=hunter2&X-Amz-Signature=hunter2", "X-Amz-Credential=***&X-Amz-Signature=***", id="S3"
        ),
        pytest.param("a=1;sig=hunter2", "a=1;sig=***", id="semicolon"),
        pytest.param("K%65y=hunter2", "K%65y=***", id="an encoded name"),
        pytest.param("u=a1b2c3hunter2e5f6", "u=***", id="a value of letters and digits in turn"),
        pytest.param("u=123e4567-e89b-12d3-a456-426614174000", "u=***", id="a UUID"),
        pytest.param("id=123&title=episode-12-the-2nd&author=Ada", None, id="no secret"),
        pytest.param("v=dQw4w9WgXcQ&list=UU_x5XG1OV2P6uZZ5FSM9Ttw", None, id="ids of YouTube"),
    ],
)
def test_a_token_in_a_query_is_printed_nowhere(query: str, shown: str | None) -> None:
    url, printed = f"https://h/a.mp3?{query}", f"https://h/a.mp3?{shown or query}"
    assert outgoing.address(url) == printed
    assert outgoing.line(f"see {url}") == f"see {printed}"
    assert outgoing.indented(url) == printed
    assert json.loads(outgoing.as_json([url, {"payload": json.dumps({"url": url})}], str)) == [
        printed,
        {"payload": json.dumps({"url": printed})},
    ]


@pytest.mark.parametrize("hidden", ["\u200e", "\x1b", "\ufeff", "\u2066"])
@pytest.mark.parametrize("place", ["https{}://u:hunter2@h/", "https:/{}/u:hunter2@h/", "https://h/?tok{}en=hunter2"])
def test_what_is_left_out_of_a_text_hides_no_secret_in_it(place: str, hidden: str) -> None:
    for show in (outgoing.line, outgoing.indented):
        assert TOKEN not in show(place.format(hidden))


@pytest.mark.parametrize("text", ["http://" * 300_000, "?a=" * 500_000, "&" * 1_000_000, "?" + "a" * 1_000_000])
def test_a_text_full_of_halves_of_tokens_is_printed_in_no_time(text: str) -> None:
    began = time.thread_time()
    outgoing.line(text)
    assert time.thread_time() - began < 2


def harmless(text: str) -> bool:
    """Return whether no character of a text controls a terminal or the writing direction, or ends a line."""
    directions = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return not any(
        unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(one) in directions
        for one in text
    )


@given(st.text(st.characters()))
def test_a_line_is_one_line_that_controls_nothing(text: str) -> None:
    assert harmless(outgoing.line(text))


@given(st.text(st.characters()), st.text(st.characters()))
def test_a_text_of_several_lines_begins_no_line_of_its_own(first: str, second: str) -> None:
    lines = outgoing.indented(f"{first}\n{second}").split("\n")
    assert all(line.startswith("    ") for line in lines[1:])
    assert all(harmless(line.replace("\t", " ")) for line in lines)


@given(st.recursive(st.text(st.characters()), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_controls_nothing_and_is_read_unchanged(content: object) -> None:
    text = outgoing.as_json(content, str)
    assert harmless(text.replace("\n", ""))
    assume(outgoing.without_secrets(text) == text)
    assert json.loads(text) == content
