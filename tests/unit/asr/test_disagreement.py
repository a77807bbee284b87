from __future__ import annotations

import pytest

from ingest.asr.disagreement import compare
from ingest.shared.artifacts.transcript import spread

CAPTIONS = "The sea is calm today, and the ships are in the harbor."


@pytest.mark.parametrize(
    ("recognised", "error", "places"),
    [
        pytest.param(
            "the sea is calm today and the ships are in the harbor", 0.0, [], id="letters and marks do not count"
        ),
        pytest.param(
            "the sea is warm today and the ships are in the harbor", 1 / 12, [("calm", "warm")], id="another word"
        ),
        pytest.param("the sea is calm and the ships are in the harbor", 1 / 12, [("today", "")], id="left out"),
        pytest.param("the sea is calm today and the old ships are in the harbor", 1 / 12, [("", "old")], id="added"),
        pytest.param(
            "the bee was calm today and the ships are in a bar",
            4 / 12,
            [("sea is", "bee was"), ("the harbor", "a bar")],
            id="two places",
        ),
        pytest.param("", 1.0, [("the sea is calm today and the ships are in the harbor", "")], id="nothing"),
    ],
)
def test_the_share_of_words_that_differ_and_where(recognised: str, error: float, places: list[tuple[str, str]]) -> None:
    found = compare(spread(CAPTIONS, 0.0, 12.0), spread(recognised, 0.0, 12.0))
    assert found.error == pytest.approx(error)
    assert [(place.expected, place.found) for place in found.places] == places
    assert all(0 <= place.start_s <= place.end_s <= 12 for place in found.places)


def test_the_place_with_the_most_words_comes_first_at_the_time_of_what_was_recognised() -> None:
    found = compare(spread(f"one {CAPTIONS} five six seven", 0.0, 16.0), spread(f"two {CAPTIONS} eight", 100.0, 114.0))
    assert [place.edits for place in found.places] == [3, 1]
    assert [place.start_s for place in found.places] == [113.0, 100.0]


def test_an_hour_is_compared_word_by_word() -> None:
    captions = [f"word{number % 997}" for number in range(9_000)]
    recognised = [word for number, word in enumerate(captions) if number % 50]
    found = compare(spread(" ".join(captions), 0.0, 3600.0), spread(" ".join(recognised), 0.0, 3600.0))
    assert found.error == pytest.approx(1 / 50, abs=0.001)
