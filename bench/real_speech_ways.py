"""The ways to read a recording that `bench.real_speech` compares: the asr stage, and faster-whisper's own two.

All use the same model. The asr stage finds the language, the others are told it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faster_whisper import BatchedInferencePipeline, WhisperModel

from bench import real_speech_score as score
from bench.real_speech_set import Recording, turns
from ingest.asr import audio
from ingest.asr.recognition.chunks import merge
from ingest.asr.recognition.invention import Evidence, is_invented
from ingest.asr.recognition.languages import LanguageHint
from ingest.asr.recognition.sources import folder_keys
from ingest.asr.sound import WholeSound
from ingest.shared.artifacts.attribution import attribute
from ingest.shared.artifacts.transcript import INVENTED, Segment, join
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from ingest.asr.audio import Waveform
    from ingest.asr.recognition.sources import SourceLanguages
    from ingest.asr.recognition.transcriber import Transcriber, Transcription
    from ingest.asr.spans import Span
    from ingest.asr.speakers.identifier import SpeakerIdentifier

    Way = Callable[[Waveform, str], str]

DECODE_S = 120.0
ONE_BY_ONE, BATCHED = "one by one", "batched"
PRODUCT = "ingest"


@dataclass(frozen=True)
class Reading:
    """What one way has written, and how long it took."""

    text: str
    wrong: int
    took_s: float


@dataclass(frozen=True)
class Figure:
    """The figures of one recording; those of speakers and times are empty without turns."""

    recording: Recording
    words: int
    speech_s: float
    language: str
    unread_s: float
    readings: dict[str, Reading]
    invented: tuple[str, ...] = ()  # texts with this flag
    searchable: tuple[str, ...] = ()  # written where nothing is said
    searchable_without_phrases: tuple[str, ...] = ()
    start_errors_s: tuple[float, ...] = ()
    diarization: dict[str, float] = field(default_factory=dict)

    @property
    def is_language_right(self) -> bool:
        """Return whether the language was found."""
        return self.language == self.recording.language


def peers(model: str, beam: int, threads: int) -> dict[str, Way]:
    """Return the two ways of faster-whisper."""
    loaded = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=threads)
    pipeline = BatchedInferencePipeline(loaded)

    def one_by_one(waveform: Waveform, language: str) -> str:
        found, _ = loaded.transcribe(waveform, language=language, beam_size=beam)
        return "".join(segment.text for segment in found)

    def batched(waveform: Waveform, language: str) -> str:
        found, _ = pipeline.transcribe(waveform, language=language, beam_size=beam, batch_size=4)
        return "".join(segment.text for segment in found)

    return {ONE_BY_ONE: one_by_one, BATCHED: batched}


@dataclass(frozen=True)
class Bench:
    """Reads recordings of a folder in all ways."""

    folder: Path
    scratch: Path
    transcriber: Transcriber
    peers: dict[str, Way]
    identifier: SpeakerIdentifier | None = None
    sources: SourceLanguages | None = None  # with it, the languages of a folder's recordings are evidence for the next

    def measure(self, recording: Recording) -> Figure:
        """Return the figures of a recording."""
        limits = ChildLimits(DECODE_S)
        waveform, _ = audio.load(self.folder / recording.file, self.scratch, DecodeLimits(), limits)
        started = time.monotonic()
        speech = audio.find_speech(waveform)
        found = self._transcribed(recording, waveform, speech)
        took_s = time.monotonic() - started
        said = score.words(recording.text or "", recording.language or "en")
        texts = {PRODUCT: (join(found.segments), took_s), **self._by_peers(waveform, recording)}
        starts_s, diarization = self._by_turns(waveform, speech, recording, found.segments)
        return Figure(
            recording=recording,
            words=len(said),
            speech_s=found.speech_s,
            language=found.language,
            unread_s=sum(span.duration_s for span in found.unread),
            readings={name: _reading(recording, said, *one) for name, one in texts.items()},
            invented=tuple(one.text for one in found.segments if INVENTED in one.flags),
            searchable=_searchable(recording, found.segments),
            searchable_without_phrases=_without_phrases(recording, found.segments, speech),
            start_errors_s=tuple(starts_s),
            diarization=diarization,
        )

    def _transcribed(self, recording: Recording, waveform: Waveform, speech: list[Span]) -> Transcription:
        keys = folder_keys(recording.file)
        likely = self.sources.likely(keys) if self.sources else None
        sound, hint = WholeSound(waveform, speech), LanguageHint(likely=likely)
        found = self.transcriber.transcribe(sound, lambda _done_s: None, hint)
        if self.sources and speech:
            self.sources.add(keys, found.language, found.language_probability)
        return found

    def _by_peers(self, waveform: Waveform, recording: Recording) -> dict[str, tuple[str, float]]:
        made: dict[str, tuple[str, float]] = {}
        if recording.text and recording.language:
            for name, way in self.peers.items():
                started = time.monotonic()
                made[name] = (way(waveform, recording.language), time.monotonic() - started)
        return made

    def _by_turns(
        self, waveform: Waveform, speech: Sequence[Span], recording: Recording, segments: Iterable[Segment]
    ) -> tuple[list[float], dict[str, float]]:
        """Return the errors of the starts of turns and, with a pipeline, those of the speakers."""
        if recording.rttm is None:
            return [], {}
        true = turns(self.folder / recording.rttm)
        starts = [word.start_s for segment in segments for word in segment.words]
        errors = score.start_errors([span for span, _ in true], starts)
        if self.identifier is None:
            return errors, {}
        from bench.real_speech_speakers import compare

        found = self.identifier.identify("abcdefghijk", waveform, speech).turns
        return errors, compare(true, found, attribute(segments, found), len(waveform) / SAMPLE_RATE)


def _reading(recording: Recording, said: Sequence[str], text: str, took_s: float) -> Reading:
    if recording.text is None:
        return Reading(text, 0, took_s)
    written = score.words(text, recording.language or "en")
    return Reading(text, score.errors(said, written, inside=recording.is_inside), took_s)


def _searchable(recording: Recording, segments: Iterable[Segment]) -> tuple[str, ...]:
    """Return the texts that were found where nothing is said, without those that are flagged as invented."""
    return tuple(one.text for one in segments if INVENTED not in one.flags) if recording.is_silent else ()


def _without_phrases(recording: Recording, segments: Iterable[Segment], speech: Sequence[Span]) -> tuple[str, ...]:
    """Return the texts that would be searchable where nothing is said if no phrase of subtitles were known."""
    return tuple(one.text for one in segments if not _is_invented(one, speech)) if recording.is_silent else ()


def _is_invented(segment: Segment, speech: Sequence[Span]) -> bool:
    part = next((one for one in merge(speech) if one.span.end_s >= segment.start_s), None)
    speech_s = part.speech_s if part else 0.0
    return is_invented(Evidence(segment.text, segment.avg_logprob, segment.no_speech_prob, speech_s), frozenset())
