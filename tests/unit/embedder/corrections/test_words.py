"""Corrections of words: applied to what was recognised, found again in what another run recognised, never elsewhere."""

from __future__ import annotations

import pytest

from ingest.embedder.corrections import said, words
from ingest.embedder.corrections.places import WordCorrection
from ingest.shared.artifacts.transcript import INVENTED, Segment, Word, join


def segment(text: str, start_s: float = 0.0, *flags: str, blank: str = " ", timed: bool = True) -> Segment:
    """Return a segment with a word each second."""
    parts = text.split()
    spoken = tuple(
        Word(start_s=start_s + at, end_s=start_s + at + 0.8, before=blank, text=part, probability=0.5)
        for at, part in enumerate(parts)
    )
    return Segment(
        start_s=start_s,
        end_s=start_s + len(parts),
        text=join(spoken),
        words=spoken if timed else (),
        avg_logprob=-0.2,
        compression_ratio=1.2,
        no_speech_prob=0.01,
        flags=flags,
    )


def correction(
    expected: str, replacement: str, start_s: float, neighbours: tuple[str, str] = ("", ""), number: int = 1
) -> WordCorrection:
    end_s = start_s + len(expected.split()) - 0.2
    return WordCorrection(number, start_s, end_s, expected, replacement, *neighbours)


def text_of(segments: tuple[Segment, ...]) -> str:
    return " | ".join(one.text for one in segments)


JON = correction("Jon Smyth", "John Smith", 2.0, ("then", "came"))


@pytest.mark.parametrize(
    ("now", "one", "after", "state"),
    [
        pytest.param("and then Jon Smyth came in", JON, "and then John Smith came in", "placed", id="same"),
        pytest.param("and then Jon Smyth. Came in", JON, "and then John Smith. Came in", "placed", id="mark-stays"),
        pytest.param("then then 'Jon Smyth's came", JON, "then then 'John Smith's came", "placed", id="inside-words"),
        pytest.param("well and then jon smyth came", JON, "well and then John Smith came", "placed", id="later"),
        pytest.param("and then John Smith came in", JON, "and then John Smith came in", "right", id="right-already"),
        pytest.param("and then John Smyth came in", JON, "and then John Smith came in", "placed", id="half-right"),
        pytest.param("and then Johnsmid, came in", JON, "and then John Smith, came in", "placed", id="one-word"),
        pytest.param("and then on the myth came", JON, "and then John Smith came", "placed", id="like-it"),
        pytest.param("and then a dog came in", JON, "and then a dog came in", "needs a look", id="other-words"),
        pytest.param("a b c d e f g Jon Smyth", JON, "a b c d e f g Jon Smyth", "needs a look", id="far-away"),
        pytest.param(
            "he said their now again", correction("their", "there", 2.0, ("said", "now")), "he said there now again",
            "placed", id="short-word",
        ),
        pytest.param(
            "he likes the new thing their", correction("their", "there", 2.0, ("said", "now")),
            "he likes the new thing their", "needs a look", id="short-word-elsewhere",
        ),
        pytest.param(
            "so US troops told us", correction("us", "US", 4.0, ("told", "")), "so US troops told US", "placed",
            id="case-counts",
        ),
        pytest.param(
            "then John Smyth came", correction("Smyth", "John Smyth", 1.0, ("then", "came")), "then John Smyth came",
            "right", id="not-twice",
        ),
    ],
)  # fmt: skip
def test_a_correction_finds_its_place_or_needs_a_look(now: str, one: WordCorrection, after: str, state: str) -> None:
    found = words.apply([segment(now)], [one])
    assert text_of(found.segments) == after
    assert [outcome.state for outcome in found.outcomes] == [state]


def test_each_of_two_equal_places_keeps_its_own_correction() -> None:
    both = [correction("Jon", "John", 1.0, ("a", "b"), 1), correction("Jon", "Joan", 3.0, ("b", "c"), 2)]
    assert text_of(words.apply([segment("a Jon b Jon c")], both).segments) == "a John b Joan c"
    found = words.apply([segment("a John b Jon c")], both[:1])
    assert (text_of(found.segments), found.outcomes[0].state) == ("a John b Jon c", "right")


def test_a_correction_of_a_correction_and_its_absence() -> None:
    chain = [correction("Jon", "John", 0.0, number=1), correction("John", "Joan", 0.0, number=2)]
    assert text_of(words.apply([segment("Jon spoke")], chain).segments) == "Joan spoke"
    assert text_of(words.apply([segment("Jon spoke")], ()).segments) == "Jon spoke"


def test_the_words_of_a_correction_share_the_time_of_those_that_they_replace() -> None:
    (same,) = words.apply([segment("he saw Jon Smyth today")], [correction("Jon Smyth", "John Smith", 2.0)]).segments
    assert [(word.start_s, word.end_s) for word in same.words] == [(at, at + 0.8) for at in range(5)]
    (more,) = words.apply([segment("he saw Wyndham today")], [correction("Wyndham", "in dem", 2.0)]).segments
    assert [word.text for word in more.words] == ["he", "saw", "in", "dem", "today"]
    assert [round(word.start_s, 2) for word in more.words] == [0.0, 1.0, 2.0, 2.32, 3.0]
    assert more.words[3].end_s == pytest.approx(2.8)
    assert [word.before for word in more.words] == [" "] * 5


def test_a_correction_may_cross_segments_and_empties_none_that_stays() -> None:
    before = [segment("he met Jon"), segment("Smyth", 3.0), segment("then left", 4.0)]
    found = words.apply(before, [correction("Jon Smyth", "Johnson", 2.0)]).segments
    assert text_of(found) == "he met Johnson | then left"
    assert (found[0].start_s, found[0].end_s) == (0.0, 3.8)
    assert found[1] is before[2]


def test_invented_words_and_untimed_segments() -> None:
    before = [segment("Jon", 0.0, INVENTED), segment("it was Jon", 1.0, timed=False)]
    found = words.apply(before, [correction("Jon", "John", 3.0, ("was", ""))])
    assert text_of(found.segments) == "Jon | it was John"
    assert [word.text for word in found.segments[1].words] == ["it", "was", "John"]


def test_scripts_without_blanks() -> None:
    (found,) = words.apply([segment("我 叫 约 翰", blank="")], [correction("约翰", "若翰", 2.0, ("叫", ""))]).segments
    assert found.text == "我叫若翰"


def test_words_of_segments_come_back_as_they_were() -> None:
    before = [segment("one two"), segment("three", 2.0, timed=False)]
    assert said.segments_of(before, said.words_of(before)) == before
