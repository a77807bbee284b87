"""Text of other systems, made storable and short."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.shared.text import clean, first_line, shorten

anything = st.text(st.characters(categories=None)) | st.text(st.sampled_from("a \t\n\r\0\x1b\x7f\x85\u2028\ud800"))


@given(text=anything)
def test_cleaned_text_has_no_control_characters_but_tabs_and_line_ends(text: str) -> None:
    cleaned = clean(text)
    assert {unicodedata.category(letter) for letter in cleaned if letter not in "\t\n"} & {"Cc", "Cs"} == set()
    assert cleaned.encode().decode() == cleaned
    assert clean(cleaned) == cleaned


@pytest.mark.parametrize("text", ["", "Grüße, 世界 🎧", "a\tb\nc", "עברית", "e\u0301"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        pytest.param("a\0b", "ab", id="NUL"),
        pytest.param("\x1b[31mred\x1b[0m", "[31mred[0m", id="escape sequence"),
        pytest.param("a\ud83db", "ab", id="half a character"),
        pytest.param("a\x7fb", "ab", id="delete"),
        pytest.param("a\x9b31mb", "a31mb", id="escape sequence in one character"),
    ],
)
def test_what_cannot_be_stored_is_left_out(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(text=anything, limit=st.integers(1, 40))
def test_a_shortened_text_is_one_line_within_its_limit(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert len(short) <= limit
    assert len(short.splitlines()) <= 1
    assert short == short.strip()


@pytest.mark.parametrize(
    ("text", "short"),
    [
        pytest.param("  one\n two\tthree ", "one two three", id="blanks"),
        pytest.param("one\rtwo\u2028three\x85four", "one two three four", id="every kind of line end"),
        pytest.param("a\u202eb\u2066c\u200fd", "abcd", id="bidi controls"),
        pytest.param("exactly 20 characters", "exactly 20 characte…", id="one too many"),
        pytest.param("exactly 20 character", "exactly 20 character", id="fits"),
    ],
)
def test_a_text_is_shortened_only_where_it_must_be(text: str, short: str) -> None:
    assert shorten(text, 20) == short


@pytest.mark.parametrize(
    ("error", "line"),
    [
        pytest.param(OSError("one\ntwo"), "one", id="several lines"),
        pytest.param(ValueError("\n one\n"), "one", id="an empty line first"),
        pytest.param(TimeoutError(), "TimeoutError", id="no text"),
    ],
)
def test_the_first_line_of_an_error_names_its_type_where_it_has_no_text(error: Exception, line: str) -> None:
    assert first_line(error) == line
