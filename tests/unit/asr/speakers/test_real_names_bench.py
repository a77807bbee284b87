"""`bench.real_names`: who is enrolled, who is a stranger, and the shares of the table."""

from __future__ import annotations

import numpy as np

from bench.real_names import Sample, divided, rows, tried
from bench.real_speech_set import Recording
from ingest.asr.speakers.matching import Thresholds
from ingest.shared.artifacts.transcript import Turn

SPEECH_S = 20.0
ADA, GRACE, EVE = np.eye(3, dtype=np.float32)


def sample(speaker: str, number: int, *vectors: np.ndarray) -> Sample:
    recording = Recording(f"audio/set/{speaker}{number}.ogg", 20.0, "en", "", None, speaker, False, False)
    turns = tuple(
        Turn(start_s=float(row), end_s=row + 1.0, cluster="S1", speaker="", vector=row) for row in range(len(vectors))
    )
    return Sample(recording, turns, np.stack(vectors), SPEECH_S)


def test_a_voice_is_enrolled_from_its_first_recordings_and_looked_for_in_the_others() -> None:
    ada = [sample("ada", number, ADA, ADA) for number in range(3)]
    mixed = sample("ada", 4, ADA, EVE, EVE)
    like_ada = sample("eve", 1, ADA + 0.1 * EVE, EVE)
    profiles, trials, refused = divided([*ada, mixed, like_ada, sample("grace", 1, GRACE)], same_voice=0.5)
    assert [profile.name for profile in profiles] == ["ada"]
    assert [one.recording.file for one in trials] == [
        f"audio/set/{name}.ogg" for name in ("ada2", "ada4", "eve1", "grace1")
    ]
    assert refused == []
    figures = [tried(one, profiles, Thresholds(accept=0.6, split_accept=0.6, split_range=0.5)) for one in trials]
    assert [(one.enrolled, round(one.right_s), round(one.wrong_s)) for one in figures] == [
        (True, 20, 0),
        (True, 7, 0),
        (False, 0, 20),
        (False, 0, 0),
    ]
    assert figures[0].own is not None
    table = {row[0]: row for row in rows(figures)}
    assert table["enrolled voices"][1:6] == ("1", "2", "40 s", "66.7%", "0.00%")
    assert table["strangers"][1:6] == ("2", "2", "40 s", "-", "50.00%")


def test_two_voices_under_one_name_are_not_enrolled() -> None:
    both = [sample("ada", number, ADA, GRACE, ADA, GRACE) for number in range(3)]
    profiles, trials, refused = divided(both, same_voice=0.5)
    assert (profiles, len(trials)) == ([], 1)
    assert "two voices" in refused[0]
