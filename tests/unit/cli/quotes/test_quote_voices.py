"""A citation is of its speaker when its voice is like that one, and like no other of the recording."""

from __future__ import annotations

import numpy as np
import pytest

from ingest.asr.speakers.profiles import Profile
from ingest.cli.quotes.voice import compare, voices_of
from ingest.shared.artifacts.transcript import Turn

AXES = np.eye(4, dtype=np.float32)
TURNS = [
    Turn(start_s=0, end_s=4, cluster="S1", speaker="Ada", vector=0),
    Turn(start_s=4, end_s=5, cluster="S2", speaker="Unknown 1", vector=1),
    Turn(start_s=5, end_s=6, cluster="S3", speaker="Unknown 2"),
]
KNOWN = voices_of(TURNS, AXES)
BO = Profile("Bo", 1, "model", AXES[2:3])


@pytest.mark.parametrize(
    ("voice", "speaker", "is_same", "nearest"),
    [
        pytest.param(AXES[0], "ada", True, "ada", id="the speaker"),
        pytest.param(AXES[1], "Ada", False, "unknown 1", id="another one of the recording"),
        pytest.param(AXES[3], "Ada", False, "ada", id="a voice that is nowhere"),
        pytest.param(AXES[0] + 0.9 * AXES[1], "Unknown 1", False, "ada", id="two at once, the other one louder"),
        pytest.param(AXES[2], "Bo", True, "ada", id="one whose enrolled voice it is"),
        pytest.param(AXES[0], "Bo", False, "ada", id="the name of an enrolled voice"),
        pytest.param(AXES[0], "Nobody", False, "ada", id="a name without a voice"),
    ],
)
def test_a_voice_is_compared_with_those_of_the_recording_and_of_profiles(
    voice: np.ndarray, speaker: str, nearest: str, *, is_same: bool
) -> None:
    found = compare(voice[None].astype(np.float32), speaker, KNOWN, [BO], 0.5)
    assert (found.is_same, found.nearest) == (is_same, nearest)
    assert (found.score is None) is (speaker == "Nobody")


def test_a_speaker_without_vectors_has_no_voice() -> None:
    assert set(KNOWN) == {"ada", "unknown 1"}
