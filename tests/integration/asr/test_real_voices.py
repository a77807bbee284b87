"""The frames of a real voice network over a whole recording, against the network run for each chunk.

Needs the folder `shared/speech` beside the checkout, as `test_real_speech.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ingest.asr import audio
from ingest.asr.speakers.diarizer import Diarizer, DiarizerOptions, used_masks
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits

SPEECH = Path(__file__).parents[3].parent / "shared" / "speech"
MODEL = SPEECH / "models" / "diarization"
TALK = SPEECH / "audio" / "concat" / "libri_talk1.opus"
SECONDS = 16
LONG_MASK_S = 2.0

pytestmark = [pytest.mark.long, pytest.mark.skipif(not (MODEL.is_dir() and TALK.is_file()), reason=f"needs {SPEECH}")]


def test_one_pass_over_the_recording_gives_the_embeddings_of_each_chunk(tmp_path: Path) -> None:
    """The features are centred by other means, so that the vectors are alike and not equal."""
    diarizer = Diarizer(DiarizerOptions(str(MODEL), "cpu", 4, 1800.0, 0.7))
    waveform, _ = audio.load(TALK, tmp_path, DecodeLimits(), ChildLimits(60))
    samples = torch.from_numpy(np.array(waveform[: SECONDS * SAMPLE_RATE]))[None]
    file = {"waveform": samples, "sample_rate": SAMPLE_RATE, "uri": "x"}
    found = []
    with torch.inference_mode():
        segmentations = diarizer.pipeline.get_segmentations(file)
        assert diarizer.frames is not None
        for frames in (diarizer.frames, None):
            diarizer.frames = frames
            found.append(diarizer.pipeline.get_embeddings(file, segmentations, exclude_overlap=True))
    once, by_chunk = (each / np.linalg.norm(each, axis=-1, keepdims=True) for each in found)
    spoken_s = used_masks(segmentations.data, None).mean(axis=2) * segmentations.sliding_window.duration
    cosines = (once * by_chunk).sum(axis=-1)
    assert np.isfinite(once).all()
    assert (spoken_s >= LONG_MASK_S).sum() >= 5
    assert float(np.median(cosines[spoken_s >= LONG_MASK_S])) >= 0.98
    assert float(cosines[spoken_s >= LONG_MASK_S].min()) >= 0.9
    assert np.allclose(once[spoken_s == 0], by_chunk[spoken_s == 0])
