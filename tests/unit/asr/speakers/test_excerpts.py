"""The choice of excerpts for voice embeddings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.asr.spans import Span
from ingest.asr.speakers import excerpts
from ingest.asr.speakers.excerpts import Excerpt
from ingest.shared.artifacts.transcript import Turn

RATE = 100


def turn(start_s: float, end_s: float, cluster: str) -> Turn:
    return Turn(start_s=start_s, end_s=end_s, cluster=cluster, speaker="")


def test_short_turns_give_nothing_and_long_ones_are_sampled_over_their_length() -> None:
    cut = excerpts.cut([Span(0, 0.4), Span(1, 2.1), Span(10, 40)], RATE)
    assert [excerpt.count for excerpt in cut if excerpt.owner == 1] == [100]
    starts = [excerpt.start / RATE for excerpt in cut if excerpt.owner == 2]
    assert len(starts) == 5
    assert starts[0] < 16
    assert starts[-1] > 34


def test_silent_excerpts_and_those_beyond_the_end_are_left_out() -> None:
    waveform = np.concatenate([np.zeros(100), np.ones(100)]).astype(np.float32)
    wanted = [Excerpt(0, 0, 100), Excerpt(1, 100, 100), Excerpt(2, 150, 100)]
    assert excerpts.audible(wanted, waveform) == [Excerpt(1, 100, 100)]


def test_batches_hold_excerpts_of_one_length() -> None:
    batches = excerpts.batches([Excerpt(number, 0, 50 + 25 * (number % 2)) for number in range(10)], 3)
    assert sorted(map(len, batches)) == [2, 2, 3, 3]
    assert all(len({excerpt.count for excerpt in batch}) == 1 for batch in batches)


def test_an_excerpt_of_a_turn_overlaps_no_other_speaker() -> None:
    spans = excerpts.solo_spans([turn(0, 10, "A"), turn(2, 4, "B"), turn(9.8, 12, "B")])
    assert spans == [Span(4, 9.8), Span(2, 4), Span(10, 12)]


def test_turns_of_the_same_speaker_do_not_disturb_each_other() -> None:
    assert excerpts.solo_spans([turn(0, 10, "A"), turn(2, 4, "A")]) == [Span(0, 10), Span(2, 4)]


def test_samples_are_spread_over_all_of_the_speech() -> None:
    speech = [Span(0, 600), Span(1000, 1010), Span(3000, 3600)]
    chosen = excerpts.spread(speech, 15.0, 10)
    assert len(chosen) == pytest.approx(1210 / 15, abs=2)
    assert chosen[0].start_s < 20
    assert chosen[-1].end_s > 3580
    assert any(1000 <= span.start_s < 1010 for span in chosen)
    assert len(excerpts.spread([Span(0, 20)], 15.0, 10)) == 10


spans = st.tuples(st.floats(0, 1000), st.floats(0, 60)).map(lambda pair: Span(pair[0], pair[0] + pair[1]))


@given(st.lists(spans, max_size=8))
def test_excerpts_lie_inside_of_their_turns(some: list[Span]) -> None:
    for excerpt in excerpts.cut(some, RATE):
        span = some[excerpt.owner]
        assert excerpt.count >= excerpts.SHORTEST_S * RATE
        assert excerpt.count <= excerpts.LONGEST_S * RATE
        assert span.start_s * RATE - 1 <= excerpt.start
        assert excerpt.start + excerpt.count <= span.end_s * RATE + 1


@given(st.lists(spans, max_size=8), st.floats(1, 30), st.integers(1, 20))
def test_samples_lie_inside_of_the_speech(some: list[Span], every_s: float, least: int) -> None:
    speech = sorted(some, key=lambda span: span.start_s)
    for sample in excerpts.spread(speech, every_s, least):
        assert any(span.start_s - 1e-6 <= sample.start_s and sample.end_s <= span.end_s + 1e-6 for span in speech)
