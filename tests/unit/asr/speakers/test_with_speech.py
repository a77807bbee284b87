"""A turn without speech, by the voice activity detection, is no turn of a speaker."""

from __future__ import annotations

import pytest

from ingest.asr.spans import Span
from ingest.asr.speakers.identifier import with_speech
from ingest.asr.speakers.windows import SpeakerTurn

SPEECH = (Span(10.0, 14.0), Span(16.0, 20.0))


@pytest.mark.parametrize(
    ("turn", "stays"),
    [
        pytest.param(Span(10.0, 14.0), True, id="speech"),
        pytest.param(Span(9.0, 21.0), True, id="speech with pauses"),
        pytest.param(Span(19.0, 24.0), True, id="some speech"),
        pytest.param(Span(20.0, 600.0), False, id="a hum after the speech"),
        pytest.param(Span(14.2, 15.8), False, id="in the pause"),
        pytest.param(Span(19.9, 60.0), False, id="a hum with a bit of speech"),
        pytest.param(Span(0.0, 5.0), False, id="before all speech"),
    ],
)
def test_a_turn_needs_speech(turn: Span, stays: bool) -> None:  # noqa: FBT001 (a table)
    assert bool(with_speech([SpeakerTurn(turn, "S1")], SPEECH)) is stays


def test_without_speech_there_is_no_turn() -> None:
    assert with_speech([SpeakerTurn(Span(0.0, 600.0), "S1")], []) == []
