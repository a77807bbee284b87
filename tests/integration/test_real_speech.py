"""Real recordings: the text is what a real Whisper wrote, without what it invented. `REAL_SPEECH` is their folder."""

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
from ingest.asr.recognition.invention import Evidence, is_invented
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
SILENT = [row for row in ROWS if row.get("kind", "").startswith("no speech")]
NO_PHRASES: frozenset[str] = frozenset()

pytestmark = [pytest.mark.long, pytest.mark.skipif(not ROWS, reason=f"needs the recordings in {SPEECH}")]


@pytest.fixture(scope="module")
def transcriber() -> Iterator[Transcriber]:
    model = subprocess.run([SPEECH / "prepare"], check=True, capture_output=True, text=True).stdout.strip()
    made = make_transcriber(load(AsrSettings, asr_model=model, asr_device="cpu"))
    yield made
    made.batcher.close()


def load_audio(row: dict[str, str], folder: Path) -> audio.Waveform:
    waveform, _ = audio.load(SPEECH / row["file"], folder, DecodeLimits(), ChildLimits(60))
    return waveform


@pytest.mark.parametrize("row", [pytest.param(row, id=row["file"]) for row in SPOKEN])
def test_the_text_has_the_spacing_that_whisper_wrote(
    transcriber: Transcriber, tmp_path: Path, row: dict[str, str]
) -> None:
    waveform = load_audio(row, tmp_path)
    duration_s = len(waveform) / SAMPLE_RATE
    parts = chunks.merge(audio.find_speech(waveform))
    recognizer = transcriber.recognizer
    requests = (recognizer.request(audio.cut(waveform, part.span), row["language"]) for part in parts)
    said = list(transcriber.batcher.map(requests))
    for part, one in zip(parts, said, strict=True):
        built = segments.build([part], [one], [False], duration_s, row["language"])
        assert " ".join(join(built.segments).split()) == " ".join(one.text.split())


@pytest.mark.parametrize("row", [pytest.param(row, id=row["file"]) for row in SILENT])
def test_no_word_is_searchable_without_speech(transcriber: Transcriber, tmp_path: Path, row: dict[str, str]) -> None:
    waveform = load_audio(row, tmp_path)
    speech, duration_s = audio.find_speech(waveform), len(waveform) / SAMPLE_RATE
    parts = chunks.merge(speech)
    for segment in transcriber.transcribe(waveform, speech, duration_s, lambda _done_s: None).segments:
        part = next(part for part in parts if part.span.end_s >= segment.start_s)
        speech_s = sum(span.duration_s for span in part.speech)
        found = Evidence(segment.text, segment.avg_logprob, segment.no_speech_prob, speech_s)
        assert is_invented(found, NO_PHRASES), found
