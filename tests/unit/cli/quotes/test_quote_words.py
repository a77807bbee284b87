"""The words of a citation are compared with what is heard: each of them counts, and the time at which it is said."""

from __future__ import annotations

import pytest

from ingest.cli.quotes.words import Edit, HeardWord, allowing, compare, with_ends
from ingest.shared.scripts import folded

SAID = "We were going to sail tomorrow, she said. We're going to stay."
HEARD = tuple(HeardWord(text, float(second), second + 0.9) for second, text in enumerate(SAID.split(), 10))


@pytest.mark.parametrize(
    ("cited", "from_s", "to_s", "edits"),
    [
        pytest.param("we were going to sail", 10.0, 14.9, (), id="the same"),
        pytest.param("We WERE going, to sail!", 10.0, 14.9, (), id="other marks and case"),
        pytest.param("We were not going to sail", 10.0, 14.9, (Edit("-", "not"),), id="a word more"),
        pytest.param("were going sail tomorrow", 11.0, 15.9, (Edit("+", "to"),), id="a word less"),
        pytest.param(
            "were going to fly tomorrow", 11.0, 15.9, (Edit("-", "fly"), Edit("+", "sail")), id="another word"
        ),
        pytest.param("we\u2019re going to stay", 18.0, 21.9, (), id="another apostrophe"),
        pytest.param(
            "were going to stay", 18.0, 21.9, (Edit("-", "were"), Edit("+", "we're")), id="an apostrophe less"
        ),
    ],
)
def test_each_word_of_a_citation_counts(cited: str, from_s: float, to_s: float, edits: tuple[Edit, ...]) -> None:
    found = compare(cited, HEARD, from_s)
    assert found is not None
    assert found.edits == edits
    assert (found.start_s, found.end_s) == (from_s, to_s)


def test_of_two_places_the_nearer_one_is_taken() -> None:
    assert [found and found.start_s for found in (compare("going to", HEARD, at) for at in (9.0, 30.0))] == [12.0, 19.0]


@pytest.mark.parametrize(("from_s", "to_s", "is_at"), [(10.4, 14.2, True), (8.5, 12.5, False), (10.0, 19.0, False)])
def test_the_time_of_a_citation_may_be_off_by_a_second(from_s: float, to_s: float, *, is_at: bool) -> None:
    found = compare("we were going to sail", HEARD, from_s)
    assert found is not None
    assert found.is_at(from_s, to_s) is is_at


def test_only_what_another_speaker_says_in_between_may_be_left_out() -> None:
    found = compare("we were going sail tomorrow", HEARD, 10.0)
    assert found is not None
    assert allowing(found, ["Mhm."]).edits == (Edit("+", "to"),)
    assert allowing(found, ["To."]).edits == ()
    assert allowing(compare("we were not going", HEARD, 10.0) or found, ["not"]).edits == (Edit("-", "not"),)


@pytest.mark.parametrize(
    ("cited", "from_s", "to_s", "edits"),
    [
        pytest.param("we were going to sail", 10.0, 14.9, (), id="all words"),
        pytest.param("we were going to sail", 9.3, 15.6, (), id="a word that only reaches in"),
        pytest.param("we were going to", 10.0, 14.9, (Edit("+", "sail"),), id="the last word less"),
        pytest.param("were going to sail", 10.0, 14.9, (Edit("+", "we"),), id="the first word less"),
        pytest.param("going", 10.0, 14.9, (), id="elsewhere: both ends are far"),
        pytest.param("we're going to stay", 10.0, 13.9, (), id="at another time"),
    ],
)
def test_a_word_that_is_left_out_at_an_end_counts(
    cited: str, from_s: float, to_s: float, edits: tuple[Edit, ...]
) -> None:
    found = compare(cited, HEARD, from_s)
    assert found is not None
    assert with_ends(found, HEARD, from_s, to_s).edits == edits


@pytest.mark.parametrize("cited", ["", "...", "whatever"])
def test_nothing_is_found_where_there_are_no_words(cited: str) -> None:
    assert compare(cited, [] if cited == "whatever" else HEARD, 0.0) is None


def test_letters_of_scripts_without_blanks_are_words() -> None:
    assert folded("船が。ABC \uff11\uff12") == ["船", "が", "abc", "12"]
