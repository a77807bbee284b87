"""A citation is a token or JSON, and any other text is refused in one line."""

from __future__ import annotations

import base64
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.archive.citation import LONGEST_JSON, PREFIX, Attribution, Citation, in_text, parse
from ingest.shared.errors import Code, IngestError

CITED = Citation(
    recording="abcdefghijk",
    generation=2,
    from_s=12.5,
    to_s=15.25,
    text="The sea is calm \u2013 \u8239.",
    language="en",
    model="base@1/int8/beam5",
    audio_sha256="a" * 64,
    transcript_sha256="b" * 64,
    speaker="Ada",
    attribution=Attribution(rule="cluster", score=0.8, margin=0.2, profile_version=3, voice_model="v"),
)


def test_a_token_is_safe_in_addresses_and_says_all() -> None:
    token = CITED.token()
    assert token.startswith(PREFIX)
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
    assert parse(f" {token}\n") == parse(CITED.model_dump_json()) == CITED


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"audio_sha256": "x"}, "audio_sha256"),
        ({"to_s": 1.0}, "ends before it begins"),
        ({"recording": "../etc"}, "recording"),
        ({"version": 2}, "version"),
        ({"more": 1}, "more"),
        ({"from_s": float("inf")}, "from_s"),
    ],
)
def test_a_citation_that_cannot_be_is_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(IngestError, match=told) as caught:
        parse(json.dumps({**CITED.model_dump(), **changes}))
    assert caught.value.code is Code.BAD_FIELD


@given(st.text() | st.text().map(lambda text: PREFIX + text) | st.binary().map(lambda data: PREFIX + data.hex()))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(IngestError):
        parse(text)


def test_a_token_does_not_unpack_to_more_than_is_read() -> None:
    bomb = PREFIX + base64.urlsafe_b64encode(zlib.compress(b" " * (100 * LONGEST_JSON))).decode()
    with pytest.raises(IngestError, match="too long"):
        parse(bomb)


def test_citations_are_found_in_files() -> None:
    token = CITED.token()
    assert in_text(f"{token}\n\n{token}\n") == [token, token]
    assert in_text(json.dumps([{"text": "x", "citation": token}, {"citation": None}])) == [token]
    assert in_text(json.dumps({"passages": [{"words": [], "citation": token}]})) == [token]
    assert [parse(text) for text in in_text(CITED.model_dump_json())] == [CITED]


PRETTY = json.dumps([{"text": "x", "citation": CITED.token()}, {"citation": CITED.token()}], indent=2)


@pytest.mark.parametrize(
    ("text", "others"),
    [
        pytest.param(f"looking for recordings\n{PRETTY}\n", ["looking for recordings"], id="line before JSON"),
        pytest.param(f"\n{PRETTY}\ndone\n\nin 3 s", ["done\nin 3 s"], id="lines behind JSON"),
        pytest.param(f"{CITED.token()}\nand this:\n{CITED.token()}", ["and this:"], id="line between tokens"),
        pytest.param("".join(f'{{"citation": "{CITED.token()}"}}\n' for _ in range(2)), [], id="JSON lines"),
        pytest.param(f"[1] {CITED.token()}\r\n[2] {CITED.token()}\r\n", [], id="footnotes"),
        pytest.param(PRETTY.rpartition("]")[0] + ", {", ["[", ", {"], id="JSON that is cut off"),
        pytest.param(f"{CITED.token()}\n{'[' * 100_000}\n{CITED.token()}", ["[" * 100_000], id="endless depth"),
    ],
)
def test_a_line_that_is_none_hides_no_citation(text: str, others: list[str]) -> None:
    found = in_text(text)
    assert [one for one in found if not one.startswith(PREFIX)] == others
    assert [parse(one) for one in found if one.startswith(PREFIX)] == [CITED, CITED]
    for one in others:
        with pytest.raises(IngestError):
            parse(one)
