"""Groups of unknown voices that sound alike."""

from __future__ import annotations

import numpy as np

from ingest.asr.speakers import alike
from ingest.asr.speakers.alike import UnknownVoice
from ingest.asr.speakers.vectors import FloatArray, l2_normalize
from ingest.shared.artifacts.transcript import Turn

DRAW = np.random.default_rng(4)
VOICES = l2_normalize(DRAW.standard_normal((5, 64), dtype=np.float32))


def near(voice: int) -> FloatArray:
    return l2_normalize(VOICES[voice] + 0.03 * DRAW.standard_normal(64, dtype=np.float32))


def voice(video: str, number: int, speech_s: float = 20.0, model: str = "m") -> UnknownVoice:
    return UnknownVoice(video, f"Unknown {number}", model, speech_s, near(number))


def shown(found: list[list[UnknownVoice]]) -> list[set[tuple[str, str]]]:
    return [{(one.video_id, one.speaker) for one in group} for group in found]


def test_voices_that_sound_alike_are_found_across_recordings() -> None:
    many = [voice(video, number, 20.0 + number) for video in ("a", "b", "c") for number in (1, 2)]
    found = alike.groups([*many, voice("a", 3), voice("d", 1, model="other")], 0.7)
    assert shown(found) == [{(video, f"Unknown {number}") for video in ("a", "b", "c")} for number in (2, 1)]
    assert alike.groups([], 0.7) == []


def test_two_voices_of_a_recording_are_never_one() -> None:
    twins = [UnknownVoice("a", name, "m", 20.0, near(1)) for name in ("Unknown 1", "Unknown 2")]
    found = alike.groups([*twins, voice("b", 1, 5.0)], 0.7)
    assert len(found) == 1
    assert {one.video_id for one in found[0]} == {"a", "b"}


def test_only_unknown_voices_with_enough_speech_count() -> None:
    lines = (("Unknown 1", 0, 6), ("Unknown 1", 6, 12), ("Ada", 12, 40), ("Unknown 2", 40, 44))
    turns = [
        Turn(start_s=start_s, end_s=end_s, cluster=speaker, speaker=speaker, vector=number)
        for number, (speaker, start_s, end_s) in enumerate(lines)
    ]
    turns.append(Turn(start_s=50, end_s=90, cluster="x", speaker="Unknown 3"))
    (found,) = alike.unknown_voices("a", "m", turns, np.stack([near(1), near(1), near(2), near(3)]))
    assert (found.speaker, found.speech_s) == ("Unknown 1", 12.0)
    assert float(found.vector @ VOICES[1]) > 0.9
