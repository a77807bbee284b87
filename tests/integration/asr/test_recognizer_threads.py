"""Several threads ask one recognizer: what one of them learns changes no answer of another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from faster_whisper import WhisperModel

from ingest.asr import audio
from ingest.asr.recognition.whisper import Memory, Recognizer, RecognizerOptions
from ingest.demo import ASR_MODEL, samples
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    import pytest

SHORT_S = 6


def test_an_encoding_that_another_thread_keeps_meanwhile_changes_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer = Recognizer(RecognizerOptions(str(ASR_MODEL), "cpu", "auto", 5))
    waveform, _ = audio.load(samples()[0].path, tmp_path, DecodeLimits(), ChildLimits(60))
    starts = [number * SHORT_S * SAMPLE_RATE for number in range(3)]
    requests = [recognizer.request(waveform[start : start + SHORT_S * SAMPLE_RATE], "en") for start in starts]
    expected = [recognizer.run([request])[0].text for request in requests]
    assert len(set(expected)) == len(requests)
    of_another, memories = Memory(), [Memory() for _ in requests]
    recognizer.run([replace(requests[1], memory=of_another)])
    encode = WhisperModel.encode

    def meanwhile(model: WhisperModel, features: npt.NDArray[np.float32]) -> object:
        memories[1].encoded = of_another.encoded
        return encode(model, features)

    monkeypatch.setattr(WhisperModel, "encode", meanwhile)
    shared = [replace(request, memory=memory) for request, memory in zip(requests, memories, strict=True)]
    assert [answer.text for answer in recognizer.run(shared)] == expected
