"""The notation of a question: phrases, words that are left out, OR."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.embedder.search.wording import Wording, read


@pytest.mark.parametrize(
    ("text", "meaning", "words", "condition"),
    [
        pytest.param("ships at sea", "ships at sea", "ships at sea", "", id="words"),
        pytest.param("ship -sailor", "ship", "ship -sailor", "-sailor", id="a word that is left out"),
        pytest.param('a -"old  sea" b', "a b", 'a b -"old sea"', '-"old sea"', id="a phrase that is left out"),
        pytest.param('"calm sea" ship', "calm sea ship", '"calm sea" ship', '"calm sea"', id="a phrase"),
        pytest.param('"calm sea', "calm sea", '"calm sea"', '"calm sea"', id="an open quote"),
        pytest.param('"a b" or "c d" -e', "a b c d", '"a b" or "c d" -e', "-e", id="one of two phrases"),
        pytest.param("well-known AT&T's 3.5", "well-known AT&T's 3.5", "well-known AT&T's 3.5", "", id="dashes inside"),
        pytest.param("talk - part one", "talk part one", "talk part one", "", id="a dash alone"),
        pytest.param("--ship", "ship", "ship", "", id="two dashes"),
        pytest.param("море -Москва", "море", "море -Москва", "-Москва", id="other letters"),
        pytest.param("-sailor", "", "-sailor", "-sailor", id="nothing to search for"),
        pytest.param("or", "or", "or", "", id="the word or"),
        pytest.param("? 😀", "? 😀", "? 😀", "", id="signs"),
        pytest.param('- "" -"" -', "", "", "", id="nothing"),
    ],
)
def test_a_question_has_forms(text: str, meaning: str, words: str, condition: str) -> None:
    found = read(text)
    assert found == Wording(meaning, words, found.included, found.required, condition)


@given(st.text(st.sampled_from('ab -"'), max_size=12))
def test_the_forms_of_any_question_fit_together(text: str) -> None:
    found = read(text)
    assert read(found.words) == found
    assert set(found.condition.split()) <= set(found.words.split())
    assert '"' not in found.meaning
    left_out = found.condition[len(found.required) :].strip()
    assert found.words == f"{found.included} {left_out}".strip()
