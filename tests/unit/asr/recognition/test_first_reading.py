"""Chunks are read before all of them are known; the result is the same as if they had been known at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from ingest.asr.recognition.chunks import merge, with_context
from ingest.asr.recognition.first_reading import EARLY_S, FirstReading, Reader
from ingest.asr.recognition.languages import SAMPLES, LanguageHint
from ingest.asr.recognition.whisper import ChunkTranscript, ChunkWord, Request
from ingest.asr.sound import WholeSound
from ingest.asr.spans import Span
from ingest.shared.device.batcher import Batcher, BatchLimits
from ingest.shared.errors import Code, IngestError
from ingest.shared.telemetry.time_split import ASR_CAUSES, DeviceTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ingest.asr.recognition.whisper import Recognizer

WAVEFORM = np.zeros(0, dtype=np.float32)
SPEECH = [Span(30.0 * number, 30.0 * number + 20.0 + 0.01 * number) for number in range(60)]
FIRST_MINUTES = [span for span in SPEECH if span.start_s < EARLY_S + 120]
HALF = IngestError(Code.AUDIO_TRUNCATED, "half")


@dataclass
class Listener:
    """A recognizer that detects a language by the number of the chunk, and notes what it is asked."""

    detects: Callable[[int], dict[str, float]]
    is_multilingual: bool = True
    asked: list[tuple[int, str | None]] = field(default_factory=list)
    encoded: int = 0

    def request(self, samples: np.ndarray, language: str | None, *, strong: bool = False) -> Request:
        return Request(samples, float(len(samples)), language, strong)

    def run(self, requests: Sequence[Request]) -> list[ChunkTranscript]:
        for request in requests:
            self.encoded += request.memory is None or request.memory.encoded is None
            if request.memory is not None:
                request.memory.encoded = request.features
        return [self._answer(int(request.features[0]), request.language) for request in requests]

    def _answer(self, number: int, language: str | None) -> ChunkTranscript:
        self.asked.append((number, language))
        shares = self.detects(number)
        if language is None:
            return ChunkTranscript(languages=shares)
        words = (ChunkWord(0.0, 1.0, f" {number}{language}", 0.9),)
        return ChunkTranscript(f"{number}", words, -1.0 + shares.get(language, 0.0), 1.0, 0.0, shares)


@dataclass
class GrowingSound:
    """A sound whose first minutes are known at once. The rest is known when a number of answers were given."""

    recognizer: Listener
    after: int
    language: str | None = None
    error: IngestError | None = None

    def __len__(self) -> int:
        return 0

    def __getitem__(self, part: slice) -> np.ndarray:
        return np.full(1, round(part.start / 16_000 / 30.0), dtype=np.float32)

    @property
    def is_searched(self) -> bool:
        return self.error is None and len(self.recognizer.asked) >= self.after

    def speech(self) -> Iterator[Span]:
        yield from FIRST_MINUTES
        if self.error is not None:
            raise self.error
        self.after = 0
        yield from SPEECH[len(FIRST_MINUTES) :]


@dataclass(frozen=True)
class NumberedSound(WholeSound):
    """The whole sound, whose samples are the number of the chunk."""

    def __getitem__(self, part: slice) -> np.ndarray:
        return np.full(1, round(part.start / 16_000 / 30.0), dtype=np.float32)


def read(
    recognizer: Listener,
    sound: object,
    hint: LanguageHint = LanguageHint(),  # noqa: B008 (frozen)
) -> tuple[FirstReading, list[float]]:
    batcher = Batcher(recognizer.run, BatchLimits(1), group=lambda request: request.group)
    done: list[float] = []
    reader = Reader(cast("Recognizer", recognizer), batcher, DeviceTime(ASR_CAUSES))
    try:
        return reader.first(sound, hint.given, hint, done.append), done  # type: ignore[arg-type]
    finally:
        batcher.close()


def always(**shares: float) -> Callable[[int], dict[str, float]]:
    return lambda _number: shares


def changing(number: int) -> dict[str, float]:
    """Return that the first minutes are French, and the rest English."""
    return {"fr": 0.98, "en": 0.02} if number < len(FIRST_MINUTES) else {"en": 0.99, "fr": 0.01}


CASES = [
    pytest.param(always(fr=0.95, en=0.05), LanguageHint(), id="sure of one language"),
    pytest.param(always(fr=0.5, en=0.4), LanguageHint(), id="unsure"),
    pytest.param(always(fr=0.5, en=0.4), LanguageHint(likely="en"), id="unsure, but the source is English"),
    pytest.param(changing, LanguageHint(), id="first minutes in another language"),
    pytest.param(changing, LanguageHint(likely="fr"), id="first minutes in another language, which the source names"),
    pytest.param(changing, LanguageHint("de"), id="the submitter knows"),
]


@pytest.mark.parametrize(("detects", "hint"), CASES)
@pytest.mark.parametrize("after", [pytest.param(0, id="known at once"), 5, 12, pytest.param(10_000, id="at the end")])
def test_the_reading_of_a_growing_sound_is_that_of_the_whole(
    detects: Callable[[int], dict[str, float]], hint: LanguageHint, after: int
) -> None:
    expected, _ = read(Listener(detects), NumberedSound(WAVEFORM, SPEECH), hint)
    recognizer = Listener(detects)
    found, _ = read(recognizer, GrowingSound(recognizer, after), hint)
    assert found == expected
    assert [piece.chunk for piece in found.pieces] == list(with_context(merge(SPEECH)))


def test_the_language_of_the_file_counts_though_it_is_known_last() -> None:
    recognizer = Listener(always(fr=0.92, en=0.08))
    found, _ = read(recognizer, GrowingSound(recognizer, 12, language="eng"))
    expected, _ = read(Listener(always(fr=0.92, en=0.08)), NumberedSound(WAVEFORM, SPEECH, "eng"))
    assert found == expected


def test_the_other_recordings_of_the_source_count_as_far_as_they_are_read_when_all_is_known() -> None:
    recognizer, answers = Listener(always(fr=0.5, en=0.5)), iter(["fr", "en"])
    found, _ = read(recognizer, GrowingSound(recognizer, 12), LanguageHint(earlier=lambda: next(answers)))
    expected, _ = read(Listener(always(fr=0.5, en=0.5)), NumberedSound(WAVEFORM, SPEECH), LanguageHint(likely="en"))
    assert found == expected
    assert found.language == "en"
    assert next(answers, None) is None  # asked twice: for the first minutes, and for the whole


def test_chunks_are_read_before_all_are_known_and_only_once() -> None:
    recognizer = Listener(always(fr=0.95))
    read(recognizer, GrowingSound(recognizer, 20))
    readings = [number for number, language in recognizer.asked if language == "fr"]
    assert readings == list(range(len(SPEECH)))
    detections = [place for place, (_, language) in enumerate(recognizer.asked) if language is None]
    assert max(detections) < len(SPEECH)  # the second is made as soon as all is known, not at the end
    assert len(detections) == 2 * SAMPLES


@pytest.mark.parametrize(
    ("detects", "whole_windows"),
    [pytest.param(always(fr=0.95, en=0.05), 0, id="sure"), pytest.param(always(fr=0.5, en=0.4), 1, id="read in both")],
)
def test_chunks_by_which_the_language_is_found_are_not_encoded_again(
    detects: Callable[[int], dict[str, float]], whole_windows: int
) -> None:
    recognizer = Listener(detects)
    read(recognizer, NumberedSound(WAVEFORM, SPEECH[:5]))
    assert recognizer.encoded == 5 + whole_windows
    assert len(recognizer.asked) > 5 + SAMPLES - 1


def test_a_wrong_guess_is_given_up_as_soon_as_all_is_known() -> None:
    recognizer = Listener(changing)
    found, _ = read(recognizer, GrowingSound(recognizer, 12))
    assert found.language == "en"
    assert sum(language == "fr" for _, language in recognizer.asked) < len(FIRST_MINUTES)


def test_a_broken_end_stops_the_reading() -> None:
    recognizer = Listener(always(fr=0.95))
    with pytest.raises(IngestError) as caught:
        read(recognizer, GrowingSound(recognizer, 10_000, error=HALF))
    assert caught.value is HALF
    assert {number for number, _ in recognizer.asked} <= set(range(len(FIRST_MINUTES)))


def test_progress_begins_with_zero_and_has_the_end_of_each_chunk() -> None:
    recognizer = Listener(always(en=1.0), is_multilingual=False)
    _, done = read(recognizer, GrowingSound(recognizer, 20))
    assert done == [0.0, *(span.end_s for span in SPEECH)]
