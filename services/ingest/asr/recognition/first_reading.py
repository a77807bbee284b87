"""The first reading of a recording: finds its language, and reads all chunks in it, while it is still being decoded.

The language is that of samples of the whole recording. Where the first minutes are sure of one, chunks are read in it
at once. As soon as the whole recording is known, its language is found. If it is another one, all is read again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from ingest.asr import audio
from ingest.asr.recognition import chunks, languages
from ingest.asr.recognition.pieces import Piece
from ingest.asr.recognition.whisper import Memory
from ingest.shared import languages as language_codes
from ingest.shared.telemetry.time_split import DECODING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ingest.asr.recognition.chunks import SpeechChunk
    from ingest.asr.recognition.languages import LanguageHint
    from ingest.asr.recognition.whisper import ChunkTranscript, Recognizer, Request
    from ingest.asr.sound import Sound
    from ingest.asr.spans import Span
    from ingest.shared.device.batcher import Batcher
    from ingest.shared.telemetry.time_split import DeviceTime

EARLY_S = 480.0  # from these chunks the language is guessed: well inside of the first window that is searched
Item = TypeVar("Item")


@dataclass(frozen=True)
class FirstReading:
    """The pieces of a recording before any correction, and the language in which they were read."""

    pieces: list[Piece]
    language: str
    language_probability: float


@dataclass(frozen=True)
class Reader:
    """Reads chunks of a sound with the recognizer, in batches shared with other recordings."""

    recognizer: Recognizer
    batcher: Batcher[Request, ChunkTranscript]
    time: DeviceTime
    samples: dict[Span, Request] = field(default_factory=dict)  # whose encoding is remembered: up to six of 4 to 12 MB

    def read(self, sound: Sound, parts: Iterable[tuple[SpeechChunk, str]]) -> Iterator[ChunkTranscript]:
        """Yield what the recognizer reads in chunks, each in its language."""
        return self.batcher.map(self.request(sound, part.span, name) for part, name in parts)

    def request(self, sound: Sound, span: Span, language: str | None, *, strong: bool = False) -> Request:
        """Return the request for a span of a sound."""
        if span in self.samples:
            return replace(self.samples[span], language=language, strong=strong)
        with self.time.doing(DECODING):
            return self.recognizer.request(audio.cut(sound, span), language, strong=strong)

    def first(
        self, sound: Sound, given: str | None, expected: LanguageHint, progress: Callable[[float], None]
    ) -> FirstReading:
        """Return the first reading of a sound: in the language that is given, else in the one that is found."""
        parts = GrowingList(chunks.with_context(chunks.merge(sound.speech())))
        if given is not None or not self.recognizer.is_multilingual:
            language = given or "en"
            return FirstReading(list(self._pieces(sound, parts, language, progress)), language, 1.0)
        guess = self._guess(sound, _early(parts), expected.likely or expected.earlier())
        pieces: list[Piece] = []
        found: tuple[str, float] | None = None
        for piece in self._pieces(sound, parts, guess, progress) if guess else ():
            pieces.append(piece)
            if found is None and sound.is_searched:
                found = self._found(sound, parts, expected)
            if found is not None and found[0] != guess:
                break
        language, probability = found or self._found(sound, parts, expected)
        if language != guess:
            pieces = list(self._pieces(sound, parts, language, progress))
        return FirstReading(pieces, language, probability)

    def _pieces(
        self, sound: Sound, parts: Iterable[SpeechChunk], language: str, progress: Callable[[float], None]
    ) -> Iterator[Piece]:
        next(iter(parts), None)  # waits for the first chunk
        progress(0.0)
        reading = self.read(sound, ((part, language) for part in parts))
        for part, said in zip(parts, reading, strict=True):
            progress(part.speech[-1].end_s)
            yield Piece(part, said)

    # -- the language -------------------------------------------------------------------------------------------------

    def _guess(self, sound: Sound, early: Sequence[SpeechChunk], likely: str | None) -> str | None:
        """Return the language of the first minutes if it is sure; None if not, or if the whole recording is known."""
        if sound.is_searched or not early:
            return None
        samples = languages.samples(early)
        weights = languages.candidates(self._detected(sound, samples), likely, _longest(samples).speech_s)
        return next(iter(weights)) if len(weights) == 1 else None

    def _found(self, sound: Sound, coming: GrowingList[SpeechChunk], expected: LanguageHint) -> tuple[str, float]:
        """Return the most probable language over samples of the whole recording, and its probability."""
        parts = coming.all()
        if not parts:
            return "en", 1.0
        likely = expected.likely or language_codes.code(sound.language or "") or expected.earlier()
        samples = languages.samples(parts)
        detected = self._detected(sound, samples)
        sample = _longest(samples)
        weights = languages.candidates(detected, likely, sample.speech_s)
        if len(weights) == 1:
            found = next(iter(weights))
        else:
            found = languages.best_read(weights, lambda names: self._sample_in(sound, sample, names), sample.speech_s)
        return found, round(detected[found], 4)

    def _sample_in(self, sound: Sound, sample: SpeechChunk, names: Sequence[str]) -> Iterator[ChunkTranscript]:
        """Yield what is read in a sample in several languages: in a whole window, which the wrong ones need anyway."""
        self.samples[sample.span] = self.samples[sample.span].in_whole_window()
        return self.read(sound, ((sample, name) for name in names))

    def _detected(self, sound: Sound, samples: Sequence[SpeechChunk]) -> dict[str, float]:
        for span in (sample.span for sample in samples):
            self.samples.setdefault(span, replace(self.request(sound, span, None), memory=Memory()))
        requests = (self.request(sound, sample.span, None) for sample in samples)
        return languages.shares(zip(samples, self.batcher.map(requests), strict=True))


@dataclass
class GrowingList(Generic[Item]):
    """Items that come one by one, and are kept: they can be read several times, also while they come."""

    source: Iterator[Item]
    known: list[Item] = field(default_factory=list)

    def __iter__(self) -> Iterator[Item]:
        """Yield all items; wait for those that have not come yet."""
        at = 0
        while at < len(self.known) or self._take():
            yield self.known[at]
            at += 1

    def all(self) -> Sequence[Item]:
        """Return all items when the last one has come."""
        while self._take():
            pass
        return self.known

    def _take(self) -> bool:
        for item in self.source:
            self.known.append(item)
            return True
        return False


def _early(parts: Iterable[SpeechChunk]) -> list[SpeechChunk]:
    """Return the chunks of the first minutes, up to the first one that ends after them."""
    early: list[SpeechChunk] = []
    for part in parts:
        early.append(part)
        if part.span.end_s >= EARLY_S:
            break
    return early


def _longest(samples: Sequence[SpeechChunk]) -> SpeechChunk:
    return max(samples, key=lambda part: part.speech_s)
