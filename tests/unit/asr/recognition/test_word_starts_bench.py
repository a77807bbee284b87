"""`bench.word_starts`: the comparison of word starts with those of another aligner."""

from __future__ import annotations

import pytest

from bench.word_starts import Figure, Start, compared, plain, rows, starts

TRUE = [Start(word, number / 2) for number, word in enumerate(("it's", "the", "best", "of", "times"))]


def test_words_are_compared_without_case_and_marks() -> None:
    assert plain("It\u2019s the BEST, of: times; well-known!") == [
        "it's",
        "the",
        "best",
        "of",
        "times",
        "well",
        "known",
    ]
    assert starts([(" It's", 0.1), (" -", 0.3), (" Well-known", 0.5)]) == [Start("it's", 0.1), Start("well", 0.5)]


@pytest.mark.parametrize(
    ("found", "late_s"),
    [
        pytest.param([("it's", 0.1), ("the", 0.4), ("best", 1.0)], [0.1, -0.1, 0.0], id="late and early"),
        pytest.param([("so", 0.0), ("the", 0.6), ("worst", 1.0), ("of", 1.7)], [0.1, 0.2], id="other words"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_words_that_both_have_are_compared(found: list[tuple[str, float]], late_s: list[float]) -> None:
    assert [late for _, late in compared(TRUE, starts(found))] == pytest.approx(late_s)


def test_a_way_has_the_median_and_the_95th_percentile_of_its_errors() -> None:
    figures = [Figure("a", "ours", "x", late_s) for late_s in (-0.05, 0.01, 0.02, 0.3)]
    assert list(rows(figures)) == [("ours", "4", "35 ms", "300 ms", "15 ms", "75%")]
