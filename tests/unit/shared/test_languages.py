"""Codes of languages: tags of feeds and containers become those of Whisper."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.shared.languages import CODES, code


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        (" EN_us ", "en"),
        ("zh-Hant-TW", "zh"),
        ("ger", "de"),
        ("deu", "de"),
        ("nb", "no"),
        ("iw", "he"),
        ("jv", "jw"),
        ("und", None),
        ("mul", None),
        ("German", None),
        ("", None),
    ],
)
def test_a_tag_becomes_a_code(tag: str, expected: str | None) -> None:
    assert code(tag) == expected


@given(st.text())
def test_any_text_is_a_known_code_or_none(text: str) -> None:
    assert code(text) in {None, *CODES}
    assert {code(name) for name in CODES} == CODES
