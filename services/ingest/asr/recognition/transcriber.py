"""From a waveform to segments: merges speech into chunks and recognises them in batches shared with other videos.

Speech that the recognizer left out is read again (`rereading`).

The batcher holds the features of at most two batches of one video at a time, so that memory does not grow with the
length of the video.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ingest.asr import audio
from ingest.asr.recognition import chunks, languages, rereading, segments
from ingest.asr.recognition.languages import LanguageHint
from ingest.asr.recognition.pieces import Piece
from ingest.shared.device.batcher import Batcher, OutOfDeviceMemoryError
from ingest.shared.errors import Code, IngestError
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.telemetry.time_split import ASR_CAUSES, DECODING, DeviceTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ingest.asr.audio import Waveform
    from ingest.asr.recognition.chunks import SpeechChunk
    from ingest.asr.recognition.whisper import ChunkTranscript, Recognizer, Request
    from ingest.asr.spans import Span
    from ingest.shared.artifacts.transcript import Segment

log = get_logger(__name__)


@dataclass(frozen=True)
class Refinement:
    """The second pass: the limits that make a chunk doubtful, and the recognizer and batcher that decode it again."""

    recognizer: Recognizer
    batcher: Batcher[Request, ChunkTranscript]
    logprob: float
    compression: float
    no_speech: float


@dataclass(frozen=True)
class Transcription:
    """The recognised segments of a recording, and the speech that has no words after all readings.

    `refined` counts the chunks that the second pass improved.
    """

    segments: tuple[Segment, ...]
    speech_s: float
    language: str
    language_probability: float
    fixed_times: int
    cleaned_words: int
    refined: int
    unread: tuple[Span, ...]


@dataclass(frozen=True)
class Transcriber:
    """Transcribes one waveform per calling thread."""

    recognizer: Recognizer
    batcher: Batcher[Request, ChunkTranscript]
    language: str | None
    refinement: Refinement | None
    time: DeviceTime = field(default_factory=lambda: DeviceTime(ASR_CAUSES))

    @property
    def batchers(self) -> list[Batcher[Request, ChunkTranscript]]:
        """Return the batchers of the device."""
        second = self.refinement.batcher if self.refinement else self.batcher
        return [self.batcher] if second is self.batcher else [self.batcher, second]

    @property
    def broken(self) -> str | None:
        """The reason why the device is lost, from either pass; None while it works."""
        return self.recognizer.broken or (self.refinement.recognizer.broken if self.refinement else None)

    def transcribe(
        self,
        waveform: Waveform,
        speech: list[Span],
        duration_s: float,
        progress: Callable[[float], None],
        expected: LanguageHint = LanguageHint(),  # noqa: B008 (frozen)
    ) -> Transcription:
        """Return the transcription; `progress` gets the seconds that are done.

        Raise GPU_OOM when a single chunk does not fit into the memory of the device.
        """
        parts = chunks.with_context(chunks.merge(speech))
        try:
            given = self._given(expected)
            language, probability = self._language(waveform, parts, given, expected.likely)
            pieces = []
            for part, said in zip(parts, self._read(waveform, ((part, language) for part in parts)), strict=True):
                pieces.append(Piece(part, said))
                progress(part.speech[-1].end_s)
            pieces = self._refine(waveform, self._in_their_languages(waveform, pieces, language, given), language)
            read = rereading.read_again(
                pieces, lambda again: self._read(waveform, ((part, name or language) for part, name in again))
            )
        except OutOfDeviceMemoryError as error:
            raise IngestError(Code.GPU_OOM, f"a single chunk does not fit into the device memory: {error}") from error
        with self.time.doing(DECODING):
            built = segments.build(read.pieces, duration_s, language)
        return Transcription(
            segments=built.segments,
            fixed_times=built.fixed_times,
            cleaned_words=built.cleaned_words,
            speech_s=sum(span.duration_s for span in speech),
            language=language,
            language_probability=probability,
            refined=sum(piece.refined for piece in pieces),
            unread=read.unread,
        )

    def _read(self, waveform: Waveform, parts: Iterable[tuple[SpeechChunk, str]]) -> Iterator[ChunkTranscript]:
        """Yield what the recognizer reads in chunks, each in its language."""
        return self.batcher.map(self._request(self.recognizer, waveform, part.span, name) for part, name in parts)

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

    def _given(self, expected: LanguageHint) -> str | None:
        """Return the language of the submitter, else that of the settings; None to detect it."""
        if expected.given is None or self.recognizer.has_language(expected.given):
            return expected.given or self.language
        log.warning("language_unknown_to_model", language=expected.given, model=self.recognizer.name)
        return self.language

    def _language(
        self, waveform: Waveform, parts: Sequence[SpeechChunk], given: str | None, likely: str | None
    ) -> tuple[str, float]:
        """Return the language and its probability: as given, or the most probable one over samples of the recording."""
        if not self.recognizer.is_multilingual or not parts:
            return given or "en", 1.0
        if given is not None:
            return given, 1.0
        samples = languages.samples(parts)
        requests = (self._request(self.recognizer, waveform, sample.span, None) for sample in samples)
        detected = languages.shares(zip(samples, self.batcher.map(requests), strict=True))
        sample = max(samples, key=lambda part: part.speech_s)
        weights = languages.candidates(detected, likely, sample.speech_s)
        if len(weights) == 1:
            found = next(iter(weights))
        else:
            readings = self._read(waveform, ((sample, name) for name in weights))
            found = languages.best_read(weights, readings, sample.speech_s)
        return found, round(detected[found], 4)

    def _in_their_languages(
        self, waveform: Waveform, pieces: list[Piece], language: str, given: str | None
    ) -> list[Piece]:
        """Return the pieces; those of a stretch in another language are read in that, if this is more probable."""
        if given is not None:
            return pieces
        names = languages.of_stretches([(piece.chunk, piece.transcript) for piece in pieces], language)
        others = [(piece.chunk, name) for piece, name in zip(pieces, names, strict=True) if name != language]
        seconds = iter(list(self._read(waveform, others)))
        return [
            piece if name == language else languages.more_probable(piece, Piece(piece.chunk, next(seconds), name))
            for piece, name in zip(pieces, names, strict=True)
        ]

    def _refine(self, waveform: Waveform, pieces: list[Piece], language: str) -> list[Piece]:
        """Return the pieces after the second pass."""
        again = self.refinement
        if again is None:
            return pieces
        limits = {"logprob": again.logprob, "compression": again.compression, "no_speech": again.no_speech}
        doubtful = [index for index, one in enumerate(pieces) if segments.is_doubtful(one.transcript, **limits)]
        requests = (
            self._request(again.recognizer, waveform, one.chunk.span, one.language or language, strong=True)
            for one in (pieces[index] for index in doubtful)
        )
        final = list(pieces)
        for index, second in zip(doubtful, again.batcher.map(requests), strict=True):
            first = pieces[index].transcript
            best = segments.better(first, second)
            final[index] = replace(pieces[index], transcript=best, refined=best is not first)
        return final
