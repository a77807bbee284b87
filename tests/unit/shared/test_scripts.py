"""Scripts without blanks between words: joined, counted, and made searchable letter by letter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.shared.scripts import length, needs_blank, question, spaced, tokens

mixed = st.text(st.sampled_from("ab 今天カนี้.\u3002"))


@given(text=mixed)
def test_tokens_keep_every_letter_and_blank_before_one(text: str) -> None:
    assert "".join(before + token for before, token in tokens(text)) == text.rstrip()


@given(text=mixed)
def test_spaced_text_has_the_same_letters(text: str) -> None:
    assert spaced(text).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("before", "after", "is_needed"),
    [
        ("a", "b", True),
        ("a.", "B", True),
        ("今", "天", False),
        ("a", "天", False),
        ("天。", "a", False),
        ("", "a", False),
    ],
)
def test_texts_are_joined_by_a_blank_where_their_scripts_have_one(before: str, after: str, is_needed: bool) -> None:  # noqa: FBT001 (a table)
    assert needs_blank(before, after) is is_needed


@pytest.mark.parametrize(("text", "letters"), [("abc d", 5), ("天气", 6), ("カa", 4), ("날씨", 6), ("ดี", 2)])
def test_a_wide_letter_takes_the_time_of_three(text: str, letters: int) -> None:
    assert length(text) == letters


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        pytest.param(
            'ship -sailor "a phrase" or boat', 'ship -sailor "a phrase" or boat', id="other scripts as they are"
        ),
        pytest.param("天气", '" 天  气 "', id="a run is a phrase"),
        pytest.param("iPhone手机 -天气", '"iPhone 手  机 " -" 天  气 "', id="mixed, and left out"),
        pytest.param('"今天 好" -"天气', '" 今  天   好 " -" 天  气 ', id="phrases, one without an end"),
    ],
)
def test_a_question_asks_for_runs_as_phrases(text: str, asked: str) -> None:
    assert question(text) == asked
