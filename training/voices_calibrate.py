"""Find the thresholds of the miniature voice model: `python -m training.voices_calibrate`.

The thresholds come from the similarities of voices that are neither trained on nor used for measuring. They are written
to the naming.json of the model, whose fingerprint is then written anew.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np

from ingest.asr.spans import Span
from ingest.asr.speakers import excerpts
from ingest.asr.speakers.build import NAMING_FILE
from ingest.asr.speakers.calibration import calibrate
from ingest.asr.speakers.diarizer import Diarizer, DiarizerOptions
from ingest.asr.speakers.matching import Thresholds
from ingest.demo import VOICE_MODEL, VOICE_MODEL_SHA256
from ingest.shared.artifacts.fingerprint import fingerprint
from training.conversations import Speaker, converse, speaking
from training.voices import SAMPLE_RATE, Voice

if TYPE_CHECKING:
    from ingest.asr.speakers.vectors import FloatArray

VARIANTS = ("antonio", "michel", "pedro", "edward2", "announcer", "iven3", "klatt3", "serious", "Storm", "Gene2")
LENGTH_S = 90.0


def calibration_speakers(seed: int = 23) -> list[Speaker]:
    """Return speakers for calibration alone."""
    rng = random.Random(seed)
    return [Speaker(Voice("espeak-ng", name, "en-us", rng.randint(140, 180), rng.randint(30, 70))) for name in VARIANTS]


def main() -> None:
    """Calibrate and write the thresholds."""
    diarizer = Diarizer(DiarizerOptions(str(VOICE_MODEL), "cpu", batch=32, window_s=1800.0, link=0.7))
    rng = random.Random(29)
    speakers = calibration_speakers()
    voices: dict[str, list[FloatArray]] = {}
    for number, speaker in enumerate(speakers):
        conversation = converse(speaking(speakers, rng), [number], rng, LENGTH_S)
        spans = [Span(turn.start_s, turn.end_s) for turn in conversation.utterances]
        cut = excerpts.audible(excerpts.cut(spans, SAMPLE_RATE), conversation.samples)
        voices[speaker.voice.name] = [diarizer.embed(conversation.samples, cut)]
    found = calibrate(voices)
    for point in (*found.points, found.proposed):
        print(
            f"{point.accept:.3f}: strangers accepted {point.false_accepts:.2%}, own refused {point.false_rejects:.2%}"
        )
    lowest, highest = np.min(found.targets), np.max(found.impostors)
    print(f"lowest score of an own voice {lowest:.3f}, highest of a stranger {highest:.3f}")
    thresholds = Thresholds(
        accept=found.accept,
        margin=found.margin,
        same_voice=found.accept,
        link=found.accept,
    )
    (VOICE_MODEL / NAMING_FILE).write_text(thresholds.model_dump_json(indent=2) + "\n")
    VOICE_MODEL_SHA256.write_text(fingerprint(VOICE_MODEL) + "\n")


if __name__ == "__main__":
    main()
