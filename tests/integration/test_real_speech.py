"""The text of real recordings, by a real Whisper, is what Whisper wrote. `REAL_SPEECH` names another folder of them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingest.asr import audio
from ingest.asr.recognition import chunks, segments
from ingest.asr.recognition.build import make_transcriber
from ingest.asr.settings import AsrSettings
from ingest.shared.artifacts.transcript import join
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits
from ingest.shared.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.asr.recognition.transcriber import Transcriber

SPEECH = Path(os.environ.get("REAL_SPEECH", Path(__file__).parents[2].parent / "shared" / "speech"))
MANIFEST = SPEECH / "manifest.jsonl"
ROWS = [json.loads(line) for line in MANIFEST.read_text().splitlines()] if MANIFEST.exists() else []
SPOKEN = [row for row in ROWS if row.get("language")]

pytestmark = [pytest.mark.long, pytest.mark.skipif(not ROWS, reason=f"needs the recordings in {SPEECH}")]


@pytest.fixture(scope="module")
def transcriber() -> Iterator[Transcriber]:
    model = subprocess.run([SPEECH / "prepare"], check=True, capture_output=True, text=True).stdout.strip()
    made = make_transcriber(load(AsrSettings, asr_model=model, asr_device="cpu", asr_beam=1))
    yield made
    made.batcher.close()


@pytest.mark.parametrize("row", [pytest.param(row, id=row["file"]) for row in SPOKEN])
def test_the_text_has_the_spacing_that_whisper_wrote(
    transcriber: Transcriber, tmp_path: Path, row: dict[str, str]
) -> None:
    waveform, _ = audio.load(SPEECH / row["file"], tmp_path, DecodeLimits(), ChildLimits(60))
    duration_s = len(waveform) / SAMPLE_RATE
    parts = chunks.merge(audio.find_speech(waveform))
    recognizer = transcriber.recognizer
    requests = (recognizer.request(audio.cut(waveform, part.span), row["language"]) for part in parts)
    said = list(transcriber.batcher.map(requests))
    for part, one in zip(parts, said, strict=True):
        built = segments.build([part], [one], [False], duration_s, row["language"])
        assert " ".join(join(built.segments).split()) == " ".join(one.text.split())
