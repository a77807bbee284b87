"""From a sound to segments: merges speech into chunks and recognises them in batches shared with other videos.

Speech that the recognizer left out is read again (`rereading`).

The batcher holds the features of at most two batches a thread of one video at a time, so that memory does not grow with
the length of the video.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ingest.asr import audio
from ingest.asr.recognition import languages, rereading, segments
from ingest.asr.recognition.first_reading import FirstReading, Reader
from ingest.asr.recognition.languages import LanguageHint
from ingest.asr.recognition.pieces import Piece
from ingest.asr.recognition.vocabulary.likeness import Phrases
from ingest.asr.recognition.vocabulary.second_reading import SplicedReading, read_with
from ingest.asr.recognition.word_times.silences import silences
from ingest.shared.device.batcher import Batcher, OutOfDeviceMemoryError
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox.decode import SAMPLE_RATE
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.telemetry.time_split import ASR_CAUSES, DECODING, DeviceTime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingest.asr.recognition.vocabulary.splicing import Splice
    from ingest.asr.recognition.whisper import ChunkTranscript, Recognizer, Request
    from ingest.asr.sound import Sound
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

    `refined` counts the chunks that the second pass improved, `splices` are the words of the vocabulary.
    """

    segments: tuple[Segment, ...]
    speech_s: float
    language: str
    language_probability: float
    fixed_times: int
    cleaned_words: int
    refined: int
    unread: tuple[Span, ...]
    splices: tuple[Splice, ...] = ()


@dataclass(frozen=True)
class Transcriber:
    """Transcribes one sound per calling thread."""

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
        sound: Sound,
        progress: Callable[[float], None],
        expected: LanguageHint = LanguageHint(),  # noqa: B008 (frozen)
        vocabulary: Sequence[str] = (),
    ) -> Transcription:
        """Return the transcription of a sound; `progress` gets the seconds that are done.

        Texts of the vocabulary are looked for where something sounds like them.
        Raise GPU_OOM when a single chunk does not fit into the memory of the device, and errors of the sound.
        """
        reader = Reader(self.recognizer, self.batcher, self.time)
        try:
            given = self._given(expected)
            first = reader.first(sound, given, expected, progress)
            language = first.language
            pieces = self._in_their_languages(reader, sound, first, given)
            pieces = self._refine(sound, pieces, language)
            spliced = SplicedReading(pieces)
            if vocabulary:
                spliced = read_with(reader, sound, pieces, Phrases(vocabulary), language)
            read = rereading.read_again(
                spliced.pieces, lambda again: reader.read(sound, ((part, name or language) for part, name in again))
            )
        except OutOfDeviceMemoryError as error:
            raise IngestError(Code.GPU_OOM, f"a single chunk does not fit into the device memory: {error}") from error
        with self.time.doing(DECODING):
            built = segments.build(read.pieces, len(sound) / SAMPLE_RATE, language, lambda span: _silences(sound, span))
        return Transcription(
            segments=built.segments,
            fixed_times=built.fixed_times,
            cleaned_words=built.cleaned_words,
            speech_s=sum(span.duration_s for span in sound.speech()),
            language=language,
            language_probability=first.language_probability,
            refined=sum(piece.refined for piece in pieces),
            unread=read.unread,
            splices=spliced.splices,
        )

    def _given(self, expected: LanguageHint) -> str | None:
        """Return the language of the submitter, else that of the settings; None to detect it."""
        if expected.given is None or self.recognizer.has_language(expected.given):
            return expected.given or self.language
        log.warning("language_unknown_to_model", language=expected.given, model=self.recognizer.name)
        return self.language

    def _in_their_languages(self, reader: Reader, sound: Sound, first: FirstReading, given: str | None) -> list[Piece]:
        """Return the pieces; those of a stretch in another language are read in that, if this is more probable."""
        pieces, language = first.pieces, first.language
        if given is not None:
            return pieces
        names = languages.of_stretches([(piece.chunk, piece.transcript) for piece in pieces], language)
        others = [(piece.chunk, name) for piece, name in zip(pieces, names, strict=True) if name != language]
        seconds = iter(list(reader.read(sound, others)))
        return [
            piece if name == language else languages.more_probable(piece, Piece(piece.chunk, next(seconds), name))
            for piece, name in zip(pieces, names, strict=True)
        ]

    def _refine(self, sound: Sound, pieces: list[Piece], language: str) -> list[Piece]:
        """Return the pieces after the second pass."""
        again = self.refinement
        if again is None:
            return pieces
        limits = {"logprob": again.logprob, "compression": again.compression, "no_speech": again.no_speech}
        doubtful = [index for index, one in enumerate(pieces) if segments.is_doubtful(one.transcript, **limits)]
        second = Reader(again.recognizer, again.batcher, self.time)
        requests = (
            second.request(sound, one.chunk.span, one.language or language, strong=True)
            for one in (pieces[index] for index in doubtful)
        )
        final = list(pieces)
        for index, better in zip(doubtful, again.batcher.map(requests), strict=True):
            first = pieces[index].transcript
            best = segments.better(first, better)
            final[index] = replace(pieces[index], transcript=best, refined=best is not first)
        return final


def _silences(sound: Sound, span: Span) -> list[Span]:
    return silences(audio.cut(sound, span), span.start_s)
