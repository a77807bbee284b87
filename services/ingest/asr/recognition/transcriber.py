"""From a waveform to segments: find speech, cut it into chunks, have them recognised in shared batches.

The chunks go to the batcher with those of every other video in flight; only two batches' worth of features of one video
exist at a time, so that memory does not grow with its length.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.asr import audio
from ingest.asr.recognition import chunks, segments
from ingest.shared.device.batcher import Batcher, OutOfDeviceMemoryError
from ingest.shared.errors import Code, IngestError
from ingest.shared.telemetry.time_split import ASR_CAUSES, DECODING, DeviceTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ingest.asr.audio import Waveform
    from ingest.asr.recognition.chunks import SpeechChunk
    from ingest.asr.recognition.whisper import Recognised, Recognizer, Request
    from ingest.asr.spans import Span

LANGUAGE_SAMPLES = 3


@dataclass(frozen=True)
class Refinement:
    """The second pass: which chunks are doubtful, and the recognizer (with its batcher) that reads them again."""

    recognizer: Recognizer
    batcher: Batcher[Request, Recognised]
    logprob: float
    compression: float
    no_speech: float


@dataclass(frozen=True)
class Spoken:
    """What is said in a recording."""

    built: segments.Built
    speech_s: float
    language: str
    language_probability: float
    refined: int


@dataclass(frozen=True)
class Transcriber:
    """Transcribes one waveform at a time for each calling thread."""

    recognizer: Recognizer
    batcher: Batcher[Request, Recognised]
    language: str | None
    refinement: Refinement | None
    time: DeviceTime = field(default_factory=lambda: DeviceTime(ASR_CAUSES))

    @property
    def batchers(self) -> list[Batcher[Request, Recognised]]:
        """Return the batchers of the device."""
        second = self.refinement.batcher if self.refinement else self.batcher
        return [self.batcher] if second is self.batcher else [self.batcher, second]

    @property
    def broken(self) -> str | None:
        """Return why the device is lost, whichever pass has lost it."""
        return self.recognizer.broken or (self.refinement.recognizer.broken if self.refinement else None)

    def transcribe(
        self, waveform: Waveform, speech: list[Span], duration_s: float, progress: Callable[[float], None]
    ) -> Spoken:
        """Return what is said; `progress` gets the seconds that are done. Raise GPU_OOM when not one chunk fits."""
        parts = chunks.merge(speech)
        try:
            language, probability = self._language(waveform, parts)
            answers = []
            for part, answer in zip(parts, self.batcher.map(self._requests(waveform, parts, language)), strict=True):
                answers.append(answer)
                progress(part.span.end_s)
            final, refined = self._refine(waveform, parts, answers, language)
        except OutOfDeviceMemoryError as error:
            raise IngestError(Code.GPU_OOM, f"no room for a single chunk: {error}") from error
        with self.time.doing(DECODING):
            built = segments.build(parts, final, refined, duration_s)
        return Spoken(
            built=built,
            speech_s=sum(span.duration_s for span in speech),
            language=language,
            language_probability=probability,
            refined=sum(refined),
        )

    def _requests(self, waveform: Waveform, parts: Sequence[SpeechChunk], language: str) -> Iterator[Request]:
        for part in parts:
            yield self._request(self.recognizer, waveform, part.span, language)

    def _request(
        self,
        recognizer: Recognizer,
        waveform: Waveform,
        span: Span,
        language: str | None,
        *,
        strong: bool = False,
    ) -> Request:
        with self.time.doing(DECODING):
            return recognizer.request(audio.cut(waveform, span), language, strong=strong)

    def _language(self, waveform: Waveform, parts: Sequence[SpeechChunk]) -> tuple[str, float]:
        """Return the language and its probability: as set, or the most probable of samples of the recording."""
        if not self.recognizer.is_multilingual or not parts:
            return self.language or "en", 1.0
        if self.language is not None:
            return self.language, 1.0
        step = max(1, len(parts) // LANGUAGE_SAMPLES)
        samples = parts[::step][:LANGUAGE_SAMPLES]
        answers = list(
            self.batcher.map(self._request(self.recognizer, waveform, sample.span, None) for sample in samples)
        )
        shares: dict[str, float] = {}
        for answer in answers:
            for name, share in answer.languages.items():
                shares[name] = shares.get(name, 0.0) + share / len(answers)
        best = max(shares, key=lambda name: shares[name])
        return best, round(shares[best], 4)

    def _refine(
        self, waveform: Waveform, parts: Sequence[SpeechChunk], answers: list[Recognised], language: str
    ) -> tuple[list[Recognised], list[bool]]:
        """Return the answers with the doubtful ones read again, and which of them changed."""
        again = self.refinement
        if again is None:
            return answers, [False] * len(answers)
        limits = {"logprob": again.logprob, "compression": again.compression, "no_speech": again.no_speech}
        doubtful = [index for index, answer in enumerate(answers) if segments.is_doubtful(answer, **limits)]
        requests = (
            self._request(again.recognizer, waveform, parts[index].span, language, strong=True) for index in doubtful
        )
        final = list(answers)
        for index, second in zip(doubtful, again.batcher.map(requests), strict=True):
            final[index] = segments.better(answers[index], second)
        return final, [new is not old for new, old in zip(final, answers, strict=True)]
