"""The handler of the asr stage: transcribes an audio file and, where diarization is on, names its speakers.

If the diarization fails, the transcript is kept without speakers and the event has the code DIARIZATION_FAILED. If the
audio file is missing, changed or broken, the message goes back to the download stage once.
"""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ingest.asr import captioned
from ingest.asr.decoding import Waiting, decoding
from ingest.asr.recognition.languages import LanguageHint
from ingest.asr.recognition.sources import SourceLanguages, source_keys
from ingest.asr.report import SpeakerResult, figures, notes
from ingest.asr.speakers.windows import Bounds
from ingest.shared.artifacts import attribution, vocabulary, voiceprints
from ingest.shared.artifacts import transcript as transcript_file
from ingest.shared.artifacts.files import translate_os_errors
from ingest.shared.artifacts.no_links import opened_folder
from ingest.shared.artifacts.transcript import Stretch, Timings, Transcript, Wording
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import AudioReady, Metadata, TranscriptReady
from ingest.shared.progress import Progress, Step
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.telemetry.time_split import BLOCKED, DECODING
from ingest.shared.worker.stage import InputFile, StageResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ingest.asr.audio import Waveform
    from ingest.asr.captioned import Given
    from ingest.asr.decoding import DecodedSound
    from ingest.asr.recognition.transcriber import Transcriber, Transcription
    from ingest.asr.sound import Sound
    from ingest.asr.spans import Span
    from ingest.asr.speakers.identifier import SpeakerIdentifier
    from ingest.shared.artifacts.vocabulary import Vocabulary
    from ingest.shared.artifacts.voiceprints import Voiceprints
    from ingest.shared.messages import Artifact
    from ingest.shared.sandbox.child import ChildLimits
    from ingest.shared.sandbox.decode import AudioInfo, DecodeLimits
    from ingest.shared.worker.stage import Report

KEY_LENGTH = 12
log = get_logger(__name__)

# errors that another download may correct
WORTH_ANOTHER_DOWNLOAD = frozenset(
    {
        Code.ARTIFACT_MISSING,
        Code.CHECKSUM_MISMATCH,
        Code.AUDIO_EMPTY_FILE,
        Code.NOT_AUDIO,
        Code.AUDIO_CORRUPT,
        Code.AUDIO_TRUNCATED,
    }
)


class _Stopwatch:
    """Measures consecutive parts of the work."""

    def __init__(self) -> None:
        self._start = self._lap = time.monotonic()

    def lap_s(self) -> float:
        """Return the seconds since the last lap."""
        before, self._lap = self._lap, time.monotonic()
        return round(self._lap - before, 3)

    def total_s(self) -> float:
        """Return the seconds since the start."""
        return round(time.monotonic() - self._start, 3)


def _ignore(_transcript: Transcript, _speakers: SpeakerResult) -> None:
    """Observe nothing."""


@dataclass
class _Forward:
    """Reports the seconds that a step has done; never less than before, nor an earlier step."""

    report: Report
    of_s: float
    last: tuple[Step, float] = (Step.DECODING, 0.0)

    def step(self, step: Step, done_s: float) -> None:
        """Report the seconds that a step has done."""
        if (step, done_s) >= self.last:
            self.last = (step, done_s)
            self.report(Progress(step, done_s, self.of_s).figures())


def input_file(volume: Volume) -> InputFile:
    """Return the errors of an audio file for which it is downloaded again."""
    discard = partial(volume.discard, kind="audio")
    return InputFile(WORTH_ANOTHER_DOWNLOAD, discard, "downloading it again", "downloaded twice")


@dataclass(frozen=True)
class Transcribe:
    """The handler of the asr stage; `observe` is called with each new transcript."""

    volume: Volume
    scratch: Path
    transcriber: Transcriber
    decode_limits: DecodeLimits
    child_limits: ChildLimits
    identifier: SpeakerIdentifier | None = None
    observe: Callable[[Transcript, SpeakerResult], None] = _ignore
    sources: SourceLanguages = field(default_factory=SourceLanguages)

    def __call__(self, message: AudioReady, report: Report) -> StageResult:
        """Return TranscriptReady."""
        with self.transcriber.time.doing(BLOCKED):
            given = captioned.given(self._vocabulary(message), self.volume, message)
            existing = self._existing(message, given)
            if existing is not None:
                numbers = {"audio_s": existing.duration_s, "fresh": 0.0, **self._compared(existing, given)}
                return StageResult(self._ready(message, existing), numbers=numbers)
        return self._transcribe(message, given, report)

    def _vocabulary(self, message: AudioReady) -> Vocabulary:
        """Return the words that are expected in a recording; a damaged file of them costs no recording."""
        try:
            return vocabulary.read(self.volume.home, message.source, message.metadata)
        except IngestError as error:
            if error.code is not Code.BAD_FIELD:
                raise
            log.warning("vocabulary_unreadable", error=error.message)
            return vocabulary.NONE

    # -- results that exist already -----------------------------------------------------------------------------------

    def _origin(self, message: AudioReady, given: Given) -> str:
        """Return what the transcript of a message is made from: the audio, the models and vocabulary, or captions."""
        parts = [message.audio.sha256, given.key(self.transcriber.recognizer.key)]
        if message.metadata.given_language is not None:
            parts.append(message.metadata.given_language)
        if self.identifier is not None:
            parts.append(self.identifier.voice_model.sha256[:KEY_LENGTH])
        return ":".join(parts)

    def _old_origin(self, message: AudioReady) -> str:
        """Return the origin that version 0.1.0 wrote for the same audio and models."""
        parts = [message.audio.sha256, self.transcriber.recognizer.old_key]
        if self.identifier is not None:
            parts.append(self.identifier.voice_model.old_sha256[:KEY_LENGTH])
        return ":".join(parts)

    def _existing(self, message: AudioReady, given: Given) -> Artifact | None:
        """Return the transcript of an earlier run with the same audio, models and vocabulary, or captions."""
        origin = self._origin(message, given)
        found = self.volume.find(message.video_id, "transcript", origin, message.fresh_from)
        if found is not None or given.preferred is not None or given.vocabulary.texts:
            return found
        old_origin = self._old_origin(message)
        found = self.volume.find(message.video_id, "transcript", old_origin, message.fresh_from)
        if found is not None:
            hint = "models of equal size have the same key in version 0.1.0; a forced run transcribes it again"
            log.warning("transcript_with_old_key", video_id=message.video_id, origin=old_origin, hint=hint)
        return found

    def _compared(self, existing: Artifact, given: Given) -> dict[str, float]:
        """Return the figures of a transcript that exists, and captions."""
        if given.captions is None:
            return dict(captioned.NONE)
        return captioned.figures(transcript_file.read(self.volume.verified(existing)), given.captions)

    # -- a new transcript ---------------------------------------------------------------------------------------------

    def _transcribe(self, message: AudioReady, given: Given, report: Report) -> StageResult:
        watch, device = _Stopwatch(), self.transcriber.time
        forward = _Forward(report, message.audio.duration_s)
        with device.doing(BLOCKED):
            path = self.volume.verified(message.audio)
        watch.lap_s()
        with self._decoding(path, forward) as sound:
            transcription = self._words(message, given, sound, forward)
            waveform, decoded = sound.whole()
            speech = list(sound.speech())
        recognise_s = watch.lap_s()
        if decoded.tracks > 1:
            log.info("several_tracks", tracks=decoded.tracks, used=decoded.track, language=decoded.language)
        report(Progress(Step.FINDING_SPEAKERS, 0.0, 0.0).figures())
        speakers = self._identify_speakers(message, waveform, speech)
        diarize_s = watch.lap_s()
        timings = Timings(
            decode_s=round(sound.decode_s, 3),
            speech_s=round(sound.speech_s, 3),
            recognise_s=recognise_s,
            diarize_s=diarize_s if self.identifier else 0.0,
            total_s=watch.total_s(),
        )
        with device.doing(BLOCKED):
            transcript = self._assemble(message, transcription, decoded, timings, speakers)
            transcript = transcript.model_copy(update={"model_key": given.key(self.transcriber.recognizer.key)})
            artifact = self._store(message, transcript, speakers.voices, self._origin(message, given))
        self.observe(transcript, speakers)
        failure = speakers.failure
        return StageResult(
            self._ready(message, artifact),
            code=failure.code if failure else None,
            text=f"{failure.message}; kept without speakers" if failure else "",
            numbers={
                **figures(transcript, transcription, decoded, speakers),
                **captioned.figures(transcript, given.captions),
                **device.new_seconds(),
            },
        )

    def _decoding(self, path: Path, forward: _Forward) -> AbstractContextManager[DecodedSound]:
        waiting = Waiting(partial(self.transcriber.time.doing, DECODING), forward.step)
        return decoding(path, self.scratch, self.decode_limits, self.child_limits, waiting)

    def _words(self, message: AudioReady, given: Given, sound: DecodedSound, forward: _Forward) -> Transcription:
        """Return the words of a recording: those of captions, where they are preferred, else those recognised."""
        if given.preferred is None:
            return self._recognise(message, given.vocabulary, sound, forward)
        speech = list(sound.speech())  # ends when the whole file is decoded
        _, decoded = sound.whole()
        return captioned.transcription(given.preferred, message, decoded, speech)

    def _recognise(self, message: AudioReady, words: Vocabulary, sound: Sound, forward: _Forward) -> Transcription:
        metadata, keys = message.metadata, source_keys(message.source, message.metadata)
        expected = LanguageHint(metadata.given_language, metadata.likely_language, partial(self.sources.likely, keys))
        progress = partial(forward.step, Step.RECOGNISING)
        found = self.transcriber.transcribe(sound, progress, expected, words.texts)
        if found.speech_s:
            self.sources.add(keys, found.language, found.language_probability)
        return found

    def _identify_speakers(self, message: AudioReady, waveform: Waveform, speech: Sequence[Span]) -> SpeakerResult:
        """Return the speakers; a failed diarization does not cost the transcript."""
        if self.identifier is None:
            return SpeakerResult()
        bounds = Bounds(message.metadata.min_speakers, message.metadata.max_speakers)
        try:
            with self.transcriber.time.running():
                return SpeakerResult(self.identifier.identify(message.video_id, waveform, speech, bounds))
        except IngestError as error:
            if error.code is not Code.DIARIZATION_FAILED:
                raise
            return SpeakerResult(failure=error)

    def _assemble(
        self,
        message: AudioReady,
        transcription: Transcription,
        decoded: AudioInfo,
        timings: Timings,
        speakers: SpeakerResult,
    ) -> Transcript:
        segments = transcription.segments
        if speakers.voices is not None:
            segments = tuple(attribution.attribute(segments, speakers.voices.turns))
        return Transcript(
            video_id=message.video_id,
            audio_sha256=message.audio.sha256,
            duration_s=round(decoded.duration_s, 3),
            speech_s=round(transcription.speech_s, 3),
            language=transcription.language,
            language_probability=transcription.language_probability,
            model_key=self.transcriber.recognizer.key,
            segments=segments,
            unread=tuple(
                Stretch(start_s=round(one.start_s, 3), end_s=round(one.end_s, 3)) for one in transcription.unread
            ),
            vocabulary=tuple(
                Wording(
                    start_s=round(one.start_s, 3),
                    end_s=round(one.end_s, 3),
                    text=one.text,
                    instead_of=one.instead_of,
                    is_taken=one.is_taken,
                )
                for one in transcription.splices
            ),
            turns=speakers.voices.turns if speakers.voices else None,
            timings=timings,
            notes={name: value for name, value in notes(transcription, decoded, segments).items() if value},
        )

    # -- files and messages -------------------------------------------------------------------------------------------

    def _store(self, message: AudioReady, transcript: Transcript, voices: Voiceprints | None, origin: str) -> Artifact:
        """Write the voiceprints and then the transcript, which marks the work as done; return the transcript."""
        duration_s, generation = transcript.duration_s, message.generation
        if voices is not None:
            with self._temporary_file(voiceprints.EXTENSION) as file:
                voiceprints.write(voices, file)
                made = NewArtifact(file, "voices", voiceprints.EXTENSION, duration_s, origin, generation)
                self.volume.keep(message.video_id, made)
        with self._temporary_file(transcript_file.EXTENSION) as file:
            transcript_file.write(transcript, file)
            self.volume.keep_before(message.video_id, origin)
            made = NewArtifact(file, "transcript", transcript_file.EXTENSION, duration_s, origin, generation)
            return self.volume.keep(message.video_id, made)

    @contextmanager
    def _temporary_file(self, extension: str) -> Iterator[Path]:
        """Give a path in the scratch folder and remove the file afterwards."""
        with (
            translate_os_errors("scratch folder"),
            opened_folder(self.scratch.parent, self.scratch.name, create=True) as folder,
        ):
            path = folder / f"{uuid.uuid4().hex}.{extension}"
            try:
                yield path
            finally:
                path.unlink(missing_ok=True)

    def _ready(self, message: AudioReady, artifact: Artifact) -> TranscriptReady:
        metadata = Metadata(duration_s=artifact.duration_s).over(message.metadata)
        return message.next(TranscriptReady, metadata=metadata, transcript=artifact)
