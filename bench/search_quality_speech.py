"""Transcripts of real people for `bench.search_quality`, and questions to them.

The asr stage reads the English recordings of a folder whose text is known. A question has rare words of what was said
at a place; the right second is that of the place's first word, as the recognizer has it (`bench.real_speech` measures
those times). A kept transcript is not made again.
"""

from __future__ import annotations

import difflib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from bench import real_speech_score as score
from bench.real_speech_set import Recording, read
from bench.search_quality_set import Query, Transcript
from ingest.asr import audio
from ingest.asr.recognition.build import make_transcriber
from ingest.asr.settings import AsrSettings
from ingest.asr.sound import WholeSound
from ingest.shared.artifacts.transcript import Segment
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import DecodeLimits
from ingest.shared.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ingest.shared.artifacts.transcript import Word

SEGMENTS = TypeAdapter(list[Segment])
DECODE_S = 120.0
LEAST_WORDS = 40  # of a recording, so that it has several passages
WINDOW = 12  # words of a place
RARE = 4  # words in a question
LEAST_LETTERS = 5
SPEAKER = "Reader"


def transcripts(folder: Path, kept: Path, only: Sequence[str] = ()) -> list[tuple[Transcript, list[Query]]]:
    """Return the transcripts with their questions; make and keep those that are not in `kept`.

    `only` names parts of the paths of the recordings; without it, all are taken.
    """
    recordings = [
        one
        for one in read(folder)
        if one.language == "en"
        and len((one.text or "").split()) >= LEAST_WORDS
        and (not only or any(text in one.file for text in only))
    ]
    kept.mkdir(parents=True, exist_ok=True)
    missing = [one for one in recordings if not _file(kept, one).exists()]
    if missing:
        _recognise(folder, kept, missing)
    made = []
    for number, recording in enumerate(recordings):
        segments = SEGMENTS.validate_json(_file(kept, recording).read_bytes())
        transcript = Transcript(
            f"r{number:010}", recording.file, [one.model_copy(update={"speaker": SPEAKER}) for one in segments]
        )
        made.append((transcript, list(_asked(transcript, recording))))
    return made


def _file(kept: Path, recording: Recording) -> Path:
    return kept / (recording.file.replace("/", "_") + ".json")


def _recognise(folder: Path, kept: Path, recordings: Sequence[Recording]) -> None:
    transcriber = make_transcriber(load(AsrSettings))
    try:
        with tempfile.TemporaryDirectory() as scratch:
            for recording in recordings:
                waveform, _ = audio.load(folder / recording.file, Path(scratch), DecodeLimits(), ChildLimits(DECODE_S))
                speech = audio.find_speech(waveform)
                found = transcriber.transcribe(WholeSound(waveform, speech), lambda _done_s: None)
                _file(kept, recording).write_bytes(SEGMENTS.dump_json(list(found.segments)))
    finally:
        transcriber.batcher.close()


def _asked(transcript: Transcript, recording: Recording) -> Iterator[Query]:
    """Yield a question for each stretch of the reference text whose words the transcript has."""
    said = score.words(recording.text or "", "en")
    heard: list[tuple[str, Word]] = [
        (text, word)
        for segment in transcript.segments
        for word in segment.words
        for text in score.words(word.text, "en")
    ]
    matcher = difflib.SequenceMatcher(None, said, [text for text, _ in heard], autojunk=False)
    places = {
        block.a + step: heard[block.b + step][1]
        for block in matcher.get_matching_blocks()
        for step in range(block.size)
    }
    for begin in range(0, len(said) - WINDOW, WINDOW):
        words = sorted({word for word in said[begin : begin + WINDOW] if len(word) >= LEAST_LETTERS}, key=_rarity(said))
        if len(words) >= RARE and begin in places:
            asked = [word for word in said[begin : begin + WINDOW] if word in words[:RARE]]
            yield Query(
                "real speech", " ".join(asked), transcript.video_id, SPEAKER, places[begin].start_s, recording.half
            )


def _rarity(said: Sequence[str]) -> Callable[[str], tuple[int, int, str]]:
    return lambda word: (said.count(word), -len(word), word)
