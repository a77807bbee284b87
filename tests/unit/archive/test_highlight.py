"""The marks in an answer: words of the question in any ending, the best sentence, and never another text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.archive.web import highlight

TEXT = "The captain mends the harbors. A HARBOR sleeps."


@pytest.mark.parametrize(
    ("text", "words", "marked"),
    [
        pytest.param(TEXT, ["harbor"], ["harbors", "HARBOR"], id="plural and upper case"),
        pytest.param(TEXT, ["mending"], ["mends"], id="other ending"),
        pytest.param(TEXT, ["cap"], [], id="only the beginning of a word"),
        pytest.param("港の船が港に", ["港"], ["港", "港"], id="writing without blanks"),
        pytest.param("(a+b) [a]", ["a"], ["a", "a"], id="letters of a pattern"),
        pytest.param("", ["a"], [], id="no text"),
        pytest.param(TEXT, [], [], id="no words"),
    ],
)
def test_words_of_the_question_are_marked(text: str, words: list[str], marked: list[str]) -> None:
    assert [piece.text for piece in highlight.pieces(text, "", words) if piece.is_word] == marked


def test_the_best_sentence_is_marked_and_its_words_too() -> None:
    found = highlight.pieces(TEXT, "A HARBOR sleeps.", ["harbor"])
    assert "".join(piece.text for piece in found if piece.is_best) == "A HARBOR sleeps."
    assert [piece.text for piece in found if piece.is_best and piece.is_word] == ["HARBOR"]


def test_words_that_are_left_out_are_not_marked() -> None:
    assert highlight.words_of('ship -sailor -"calm sea" "deep water" OR Anchor') == ["ship", "deep", "water", "anchor"]


@settings(max_examples=60)
@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=30))
def test_the_pieces_are_the_text(text: str, sentence: str, question: str) -> None:
    found = highlight.pieces(text, sentence, highlight.words_of(question))
    assert "".join(piece.text for piece in found) == text
