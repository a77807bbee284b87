"""Merging of speech into chunks: no speech is lost or cut, and no chunk is too long."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.asr.recognition.chunks import CONTEXT_S, LONGEST_CHUNK_S, SpeechChunk, merge, with_context
from ingest.asr.spans import Span


def spans(lengths: list[tuple[float, float]]) -> list[Span]:
    """Return spans of speech from pairs of (pause before, length)."""
    found: list[Span] = []
    at = 0.0
    for pause_s, length_s in lengths:
        found.append(Span(at + pause_s, at + pause_s + length_s))
        at = found[-1].end_s
    return found


speeches = st.lists(st.tuples(st.floats(0, 5), st.floats(0.05, 40)), max_size=40).map(spans)


@settings(max_examples=300)
@given(speech=speeches, longest_s=st.floats(1, 40), longest_gap_s=st.floats(0, 4))
def test_chunks_hold_all_speech_in_order_within_the_limits(
    speech: list[Span], longest_s: float, longest_gap_s: float
) -> None:
    chunks = list(merge(speech, longest_s, longest_gap_s))
    assert [span for chunk in chunks for span in chunk.speech] == speech
    for chunk in chunks:
        assert chunk.span == Span(chunk.speech[0].start_s, chunk.speech[-1].end_s)
        assert chunk.span.duration_s <= longest_s or len(chunk.speech) == 1
        assert all(later.start_s - earlier.end_s <= longest_gap_s for earlier, later in pairwise(chunk.speech))


@settings(max_examples=200)
@given(speech=speeches)
def test_neighbouring_chunks_could_not_be_one(speech: list[Span]) -> None:
    chunks = list(merge(speech))
    for earlier, later in pairwise(chunks):
        gap_s = later.span.start_s - earlier.span.end_s
        assert gap_s > 2.0 or later.speech[0].end_s - earlier.span.start_s > LONGEST_CHUNK_S


@pytest.mark.parametrize(
    ("speech", "chunks"),
    [
        pytest.param([], [], id="silence"),
        pytest.param([Span(1, 2)], [(1, 2)], id="one span"),
        pytest.param([Span(0, 10), Span(11, 30)], [(0, 30)], id="exactly as long as may be"),
        pytest.param([Span(0, 10), Span(11, 30.1)], [(0, 10), (11, 30.1)], id="too long together"),
        pytest.param([Span(0, 1), Span(3, 4)], [(0, 4)], id="a pause of 2 s"),
        pytest.param([Span(0, 1), Span(3.1, 4)], [(0, 1), (3.1, 4)], id="a longer pause"),
        pytest.param([Span(0, 45), Span(45, 46)], [(0, 45), (45, 46)], id="one span too long in itself"),
    ],
)
def test_spans_are_merged_where_they_may(speech: list[Span], chunks: list[tuple[float, float]]) -> None:
    assert [(chunk.span.start_s, chunk.span.end_s) for chunk in merge(speech)] == chunks


def test_a_chunk_has_the_spans_of_its_speech() -> None:
    assert list(merge([Span(1, 2), Span(2.5, 4)])) == [SpeechChunk(Span(1, 4), (Span(1, 2), Span(2.5, 4)))]


@settings(max_examples=200)
@given(speech=speeches)
def test_context_is_no_speech_of_another_chunk_and_makes_none_too_long(speech: list[Span]) -> None:
    bare = list(merge(speech))
    wide = list(with_context(bare))
    assert [chunk.speech for chunk in wide] == [chunk.speech for chunk in bare]
    for before, after in zip(bare, wide, strict=True):
        assert 0 <= before.span.start_s - after.span.start_s <= CONTEXT_S + 1e-9
        assert 0 <= after.span.end_s - before.span.end_s <= CONTEXT_S + 1e-9
        assert after.span.start_s >= 0
        assert after.span.duration_s <= max(before.span.duration_s, LONGEST_CHUNK_S) + 1e-9
    assert all(earlier.span.end_s <= later.span.start_s + 1e-9 for earlier, later in pairwise(wide))


@pytest.mark.parametrize(
    ("speech", "chunks"),
    [
        pytest.param([Span(1, 2), Span(5, 6)], [(0.8, 2.2), (4.8, 6.2)], id="in silence"),
        pytest.param([Span(0.1, 2)], [(0, 2.2)], id="at the beginning"),
        pytest.param([Span(0.25, 2)], [(0.05, 2.2)], id="near the beginning, where no other chunk is"),
        pytest.param([Span(1, 21), Span(21.2, 31.2)], [(0.8, 21.1), (21.1, 31.4)], id="a short pause"),
        pytest.param([Span(1, 30.9)], [(0.95, 30.95)], id="nearly too long"),
    ],
)
def test_a_chunk_has_context(speech: list[Span], chunks: list[tuple[float, float]]) -> None:
    found = [(chunk.span.start_s, chunk.span.end_s) for chunk in with_context(merge(speech))]
    assert found == [pytest.approx(one) for one in chunks]
