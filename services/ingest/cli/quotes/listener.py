"""Recognises parts of a recording again: the words with the recognizer of the settings, the voice with its diarization.

The parts are recognised in the same chunks as in the run of the asr stage, so that the same model returns the same
words. So the speech is found in whole windows around a part, and each part is read with its neighbouring chunks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from ingest.asr import audio
from ingest.asr.recognition import chunks
from ingest.asr.recognition.languages import LanguageHint
from ingest.asr.sound import WholeSound
from ingest.asr.spans import Span
from ingest.asr.speakers import excerpts
from ingest.cli.quotes.words import HeardWord
from ingest.shared.artifacts.transcript import INVENTED
from ingest.shared.artifacts.vocabulary import NONE, Vocabulary
from ingest.shared.sandbox.decode import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.asr.audio import Waveform
    from ingest.asr.recognition.chunks import SpeechChunk
    from ingest.asr.recognition.transcriber import Transcriber
    from ingest.asr.speakers.identifier import VoiceModel
    from ingest.asr.speakers.vectors import FloatArray

AROUND_S = 60.0  # the speech within which chunks are made as before, unless nothing pauses for so long
NEAR_S = 15.0  # of a part: a citation whose time is a little wrong is found


@dataclass(eq=False)
class Listener:
    """Recognises parts of one recording."""

    transcriber: Transcriber
    waveform: Waveform
    vocabulary: Vocabulary = NONE
    _speech: dict[int, list[Span]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Return what the recognised words depend on, beside the audio."""
        return self.vocabulary.key(self.transcriber.recognizer.key)

    @property
    def duration_s(self) -> float:
        """Return the length of the recording."""
        return len(self.waveform) / SAMPLE_RATE

    def words(self, parts: Iterable[Span], language: str, *, whole: bool = False) -> list[HeardWord]:
        """Return the words in and around parts of the recording; with `whole`, chunks are made from its beginning."""
        parts = list(parts)
        windows = range(self._windows) if whole else sorted({one for part in parts for one in self._around(part)})
        made = [chunk for run in _runs(windows) for chunk in self._chunks(run)]
        wanted = sorted({near for part in parts for near in _near(made, part)})
        heard: list[HeardWord] = []
        for run in _runs(wanted):
            speech = [span for number in run for span in made[number].speech]
            sound, hint = WholeSound(self.waveform, speech), LanguageHint(given=language or None)
            found = self.transcriber.transcribe(sound, lambda _done_s: None, hint, self.vocabulary.texts)
            heard += [
                HeardWord(word.text, word.start_s, word.end_s)
                for segment in found.segments
                if INVENTED not in segment.flags
                for word in segment.words
            ]
        return heard

    @property
    def _windows(self) -> int:
        return max(1, math.ceil(self.duration_s / audio.WINDOW_S))

    def _around(self, part: Span) -> range:
        first = int(max(0.0, part.start_s - AROUND_S) // audio.WINDOW_S)
        last = int(max(0.0, min(part.end_s + AROUND_S, self.duration_s)) // audio.WINDOW_S)
        return range(min(first, self._windows - 1), min(last, self._windows - 1) + 1)

    def _chunks(self, windows: Sequence[int]) -> list[SpeechChunk]:
        return list(chunks.merge(span for number in windows for span in self._spoken(number)))

    def _spoken(self, window: int) -> list[Span]:
        if window not in self._speech:
            start_s = float(window * audio.WINDOW_S)
            samples = audio.cut(self.waveform, Span(start_s, min(start_s + audio.WINDOW_S, self.duration_s)))
            self._speech[window] = audio.in_window(samples, start_s)
        return self._speech[window]


def voice_vectors(model: VoiceModel, waveform: Waveform, parts: Sequence[Span]) -> list[FloatArray]:
    """Return the voice embeddings of parts of a recording; none of a part that is too short or silent."""
    cut = excerpts.audible(excerpts.cut(parts, SAMPLE_RATE), waveform)
    vectors = model.embed(waveform, cut)
    return [vectors[[row for row, one in enumerate(cut) if one.owner == number]] for number in range(len(parts))]


def _near(made: Sequence[SpeechChunk], part: Span) -> Iterable[int]:
    """Yield the chunks of a part, and one on both sides: the context of a chunk depends on its neighbours."""
    inside = [
        number
        for number, chunk in enumerate(made)
        if chunk.span.start_s < part.end_s + NEAR_S and chunk.span.end_s > part.start_s - NEAR_S
    ]
    if inside:
        yield from range(max(0, inside[0] - 1), min(len(made), inside[-1] + 2))


def _runs(numbers: Iterable[int]) -> list[list[int]]:
    """Return consecutive numbers together."""
    return [
        [number for _, number in group] for _, group in groupby(enumerate(numbers), key=lambda one: one[1] - one[0])
    ]
