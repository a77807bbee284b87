"""Short silences in speech: what is as faint as the room, and long enough not to be a consonant."""

from __future__ import annotations

import numpy as np
import pytest

from ingest.asr.recognition.word_times.silences import silences
from ingest.shared.sandbox.decode import SAMPLE_RATE

SECONDS = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
VOICE = (0.3 * np.sin(2 * np.pi * 150 * SECONDS)).astype(np.float32)


def spoken(*pauses: tuple[float, float], room: float = 1e-4) -> np.ndarray:
    """Return two seconds of a tone with pauses, in a room that is not silent."""
    samples = VOICE.copy()
    for start_s, end_s in pauses:
        samples[int(start_s * SAMPLE_RATE) : int(end_s * SAMPLE_RATE)] = 0
    return samples + np.random.default_rng(7).normal(0, room, len(samples)).astype(np.float32)


@pytest.mark.parametrize("room", [0.0, 1e-4, 1e-3])
@pytest.mark.parametrize("loudness", [1.0, 0.05])
def test_silences_have_their_times_in_the_recording(room: float, loudness: float) -> None:
    found = silences(np.float32(loudness) * spoken((0.5, 0.7), (1.2, 1.35), room=room), 10.0)
    assert [time_s for one in found for time_s in (one.start_s, one.end_s)] == pytest.approx([10.5, 10.7, 11.2, 11.35])


def test_the_closure_of_a_consonant_is_no_silence() -> None:
    assert silences(spoken((0.5, 0.57), (1.2, 1.28)), 0.0) == []


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(np.zeros(0, np.float32), id="none"),
        pytest.param(np.zeros(100, np.float32), id="less than a frame"),
        pytest.param(np.zeros(SAMPLE_RATE, np.float32), id="nothing that sounds"),
        pytest.param(spoken(), id="a voice that goes on"),
        pytest.param(spoken((0.5, 0.7), room=0.05), id="a room that is nearly as loud"),
    ],
)
def test_there_are_none_without_a_voice_that_stands_out(samples: np.ndarray) -> None:
    assert silences(samples, 0.0) == []
