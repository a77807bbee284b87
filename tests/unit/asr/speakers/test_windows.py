"""Long recordings in windows: no window is too long, and a speaker keeps one name in all of them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.asr.spans import Span
from ingest.asr.speakers.windows import Diarization, SpeakerTurn, link, windows


def test_a_short_recording_is_one_window() -> None:
    assert windows(1800.0, 1800.0, []) == [Span(0.0, 1800.0)]


def test_a_window_ends_in_a_pause() -> None:
    speech = [Span(0, 1700), Span(1710, 3600)]
    assert windows(3600.0, 1900.0, speech) == [Span(0.0, 1705.0), Span(1705.0, 3600.0)]


@given(
    st.floats(1, 20_000),
    st.floats(100, 3000),
    st.lists(st.tuples(st.floats(0, 20_000), st.floats(0, 300)), max_size=20),
)
def test_windows_cover_everything_and_none_is_too_long(
    duration_s: float, limit_s: float, stretches: list[tuple[float, float]]
) -> None:
    speech = sorted((Span(start, start + length) for start, length in stretches), key=lambda span: span.start_s)
    cut = windows(duration_s, limit_s, speech)
    assert (cut[0].start_s, cut[-1].end_s) == (0.0, duration_s)
    assert all(before.end_s == after.start_s for before, after in pairwise(cut))
    assert all(0 < span.duration_s <= limit_s * (1 + 1e-9) for span in cut)


def part(at_s: float, **voices: list[float]) -> Diarization:
    turns = [SpeakerTurn(Span(at_s + number, at_s + number + 1), label) for number, label in enumerate(voices)]
    centroids = {label: np.array(voice, dtype=np.float32) for label, voice in voices.items() if any(voice)}
    return Diarization(tuple(turns), centroids)


def speakers(*parts: Diarization) -> list[str]:
    return [item.speaker for item in link(parts, 0.7)]


def test_the_same_voice_has_one_name_in_all_windows() -> None:
    assert speakers(part(0, a=[1, 0], b=[0, 1]), part(10, a=[0.1, 1], b=[1, 0.1])) == ["S1", "S2", "S2", "S1"]


def test_a_new_voice_gets_a_new_name() -> None:
    assert speakers(part(0, a=[1, 0]), part(10, a=[0, 1])) == ["S1", "S2"]


def test_two_speakers_of_one_window_are_never_linked() -> None:
    assert speakers(part(0, a=[1, 0]), part(10, a=[1, 0.1], b=[1, 0])) == ["S1", "S2", "S1"]


def test_a_speaker_without_a_centroid_is_not_linked() -> None:
    assert speakers(part(0, a=[0, 0]), part(10, a=[0, 0], b=[1, 0])) == ["S1", "S2", "S3"]


def test_no_turns_give_no_turns() -> None:
    assert link([Diarization((), {})], 0.7) == []
    assert link([], 0.7) == []


@pytest.mark.parametrize("order", [pytest.param(1, id="in order"), pytest.param(-1, id="reversed")])
def test_turns_come_out_in_order_of_time(order: int) -> None:
    parts = [part(0, a=[1, 0]), part(10, a=[1, 0])][::order]
    assert [item.span.start_s for item in link(parts, 0.7)] == [0, 10]
