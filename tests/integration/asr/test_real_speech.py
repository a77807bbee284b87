"""Real recordings: the text is what a real Whisper wrote, without what it invented.

    REAL_SPEECH=FOLDER .venv/bin/pytest -m long tests/integration/asr/test_real_speech.py    every recording of a folder

Without `REAL_SPEECH`, the folder `shared/speech` beside the checkout is read: of each language the shortest recording
of at least three seconds, every eighth without speech, and the two shortest utterances.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ingest.asr import audio
from ingest.asr.recognition import chunks, rereading, segments
from ingest.asr.recognition.build import make_transcriber
from ingest.asr.recognition.invention import Evidence, is_invented
from ingest.asr.recognition.languages import LanguageHint
from ingest.asr.recognition.pieces import Piece
from ingest.asr.settings import AsrSettings
from ingest.asr.sound import WholeSound
from ingest.demo.accuracy import word_error_rate
from ingest.shared.artifacts.transcript import INVENTED, join
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits
from ingest.shared.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.asr.recognition.chunks import SpeechChunk
    from ingest.asr.recognition.transcriber import Transcriber
    from ingest.asr.recognition.whisper import ChunkTranscript

Row = dict[str, Any]
CHOSEN = os.environ.get("REAL_SPEECH")
SPEECH = Path(CHOSEN or Path(__file__).parents[3].parent / "shared" / "speech")
MANIFEST = SPEECH / "manifest.jsonl"
ROWS = [json.loads(line) for line in MANIFEST.read_text().splitlines()] if MANIFEST.exists() else []
SHORTEST_S = 3.0
SHORT_S = 2.0
NO_PHRASES: frozenset[str] = frozenset()


def spoken() -> list[Row]:
    """Return the recordings with speech: all of a chosen folder, else one of each language."""
    rows = [row for row in ROWS if row.get("language") and row["seconds"] >= SHORTEST_S]
    shortest = {row["language"]: row for row in sorted(rows, key=lambda row: -row["seconds"])}
    return [row for row in ROWS if row.get("language")] if CHOSEN else list(shortest.values())


def silent() -> list[Row]:
    """Return the recordings without speech: all of a chosen folder, else every eighth."""
    return [row for row in ROWS if row.get("kind", "").startswith("no speech")][:: 1 if CHOSEN else 8]


pytestmark = [pytest.mark.long, pytest.mark.skipif(not ROWS, reason=f"needs the recordings in {SPEECH}")]


@pytest.fixture(scope="module")
def transcriber() -> Iterator[Transcriber]:
    model = subprocess.run([SPEECH / "prepare"], check=True, capture_output=True, text=True).stdout.strip()
    made = make_transcriber(load(AsrSettings, asr_model=model, asr_device="cpu"))
    yield made
    made.batcher.close()


def load_audio(row: Row, folder: Path) -> audio.Waveform:
    waveform, _ = audio.load(SPEECH / row["file"], folder, DecodeLimits(), ChildLimits(60))
    return waveform


@pytest.mark.parametrize("row", [pytest.param(row, id=row["file"]) for row in spoken()])
def test_the_text_has_the_spacing_that_whisper_wrote(transcriber: Transcriber, tmp_path: Path, row: Row) -> None:
    waveform = load_audio(row, tmp_path)
    duration_s = len(waveform) / SAMPLE_RATE
    parts = list(chunks.merge(audio.find_speech(waveform)))
    recognizer = transcriber.recognizer
    requests = (recognizer.request(audio.cut(waveform, part.span), row["language"]) for part in parts)
    said = list(transcriber.batcher.map(requests))
    for part, one in zip(parts, said, strict=True):
        built = segments.build([Piece(part, one)], duration_s, row["language"])
        assert " ".join(join(built.segments).split()) == " ".join(one.text.split())


@pytest.mark.parametrize("row", [pytest.param(row, id=row["file"]) for row in silent()])
def test_no_word_is_searchable_without_speech(transcriber: Transcriber, tmp_path: Path, row: Row) -> None:
    waveform = load_audio(row, tmp_path)
    speech = audio.find_speech(waveform)
    parts = list(chunks.merge(speech))
    for segment in transcriber.transcribe(WholeSound(waveform, speech), lambda _done_s: None).segments:
        part = next(part for part in parts if part.span.end_s >= segment.start_s)
        speech_s = sum(span.duration_s for span in part.speech)
        found = Evidence(segment.text, segment.avg_logprob, segment.no_speech_prob, speech_s)
        assert is_invented(found, NO_PHRASES), found


def short() -> list[Row]:
    """Return the recordings of one short utterance: all of a chosen folder, else the two shortest."""
    rows = sorted(
        (row for row in ROWS if row.get("text") and 0 < row["seconds"] <= SHORT_S), key=lambda row: row["seconds"]
    )
    return rows if CHOSEN else rows[:2]


@pytest.mark.parametrize("row", [pytest.param(row, id=row["file"]) for row in short()])
def test_the_words_of_a_short_utterance_are_searchable(transcriber: Transcriber, tmp_path: Path, row: Row) -> None:
    waveform = load_audio(row, tmp_path)
    sound = WholeSound(waveform, audio.find_speech(waveform))
    found = transcriber.transcribe(sound, lambda _done_s: None).segments
    assert join(found)
    assert not any(INVENTED in segment.flags for segment in found)


JFK = "audio/small/jfk.flac"


@pytest.mark.skipif(not any(row["file"] == JFK for row in ROWS), reason=f"needs {JFK}")
@pytest.mark.parametrize("words", [pytest.param(0, id="no word"), pytest.param(5, id="a few words")])
def test_words_behind_an_early_end_are_read_again(transcriber: Transcriber, tmp_path: Path, words: int) -> None:
    row = next(row for row in ROWS if row["file"] == JFK)
    waveform = load_audio(row, tmp_path)
    recognizer = transcriber.recognizer

    def read(parts: Sequence[tuple[SpeechChunk, str | None]]) -> Iterator[ChunkTranscript]:
        return transcriber.batcher.map(recognizer.request(audio.cut(waveform, part.span), "en") for part, _ in parts)

    parts = list(chunks.merge(audio.find_speech(waveform)))
    said = list(read([(part, "en") for part in parts]))
    early = [Piece(part, replace(one, words=one.words[:words])) for part, one in zip(parts, said, strict=True)]
    found = rereading.read_again(early, read)
    assert found.unread == ()
    text = join(segments.build(found.pieces, len(waveform) / SAMPLE_RATE, "en").segments)
    assert word_error_rate(row["text"], text) <= 0.10


MIXED = ("audio/aeneas7/de.mp3", "audio/small/harvard.flac")


@pytest.mark.skipif(not {*MIXED} <= {row["file"] for row in ROWS}, reason=f"needs {MIXED}")
def test_a_recording_that_changes_its_language_is_read_in_both(transcriber: Transcriber, tmp_path: Path) -> None:
    german, english = (next(row for row in ROWS if row["file"] == file) for file in MIXED)
    first = load_audio(german, tmp_path)[: 25 * SAMPLE_RATE]
    pause = np.zeros(3 * SAMPLE_RATE, dtype=np.float32)
    waveform = np.concatenate([first, pause, load_audio(english, tmp_path)])
    found = transcriber.transcribe(WholeSound(waveform, audio.find_speech(waveform)), lambda _done_s: None)
    assert found.language == "de"
    second = [segment for segment in found.segments if segment.start_s > len(first) / SAMPLE_RATE]
    assert {segment.language for segment in found.segments if segment not in second} == {None}
    assert {segment.language for segment in second} == {"en"}
    assert word_error_rate(english["text"], join(second)) <= 0.10


NAME = "Norsemen"


@pytest.mark.parametrize("row", [pytest.param(row, id=row["file"]) for row in ROWS if "p225_016" in row["file"]])
def test_a_name_of_the_vocabulary_is_written_where_it_is_said(
    transcriber: Transcriber, tmp_path: Path, row: Row
) -> None:
    waveform = load_audio(row, tmp_path)
    sound = WholeSound(waveform, audio.find_speech(waveform))
    given = LanguageHint(given="en")
    alone = transcriber.transcribe(sound, lambda _done_s: None, given)
    found = transcriber.transcribe(sound, lambda _done_s: None, given, [NAME, "Rainbird", "Digium"])
    assert NAME in row["text"]
    assert NAME not in join(alone.segments)
    assert NAME in join(found.segments)
    assert "Rainbird" not in join(found.segments)
    assert [(one.text, one.is_taken) for one in found.splices if one.text == NAME] == [(NAME, True)]
    same = [word for one in alone.segments for word in one.words]
    now = [word for one in found.segments for word in one.words]
    assert [word for word in now if word.text != NAME] == [word for word in same if word.text != "Norseman"]
