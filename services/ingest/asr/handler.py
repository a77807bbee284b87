"""The asr stage: an audio file becomes a transcript file; where voices are listened to, with who said what.

When nobody can tell who speaks, the transcript is kept without speakers, and the event says DIARIZATION_FAILED. A file
that is missing, changed or broken is asked for once more: the message goes back to the download stage.
"""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.asr import audio
from ingest.asr.speakers import attribution
from ingest.asr.speakers.matching import is_stranger
from ingest.asr.speakers.windows import Bounds
from ingest.shared.artifacts import transcript, voiceprints
from ingest.shared.artifacts.transcript import Timings, Transcript
from ingest.shared.artifacts.volume import Made, Volume, translate_os_errors
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import AudioReady, EventKind, Metadata, Stage, TranscriptReady, VideoAccessible
from ingest.shared.telemetry import metrics
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.telemetry.time_split import BLOCKED, DECODING
from ingest.shared.worker.stage import Done

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ingest.asr.audio import Waveform
    from ingest.asr.recognition.transcriber import Spoken, Transcriber
    from ingest.asr.spans import Span
    from ingest.asr.speakers.identifier import Who
    from ingest.shared.artifacts.transcript import Segment
    from ingest.shared.artifacts.voiceprints import Voiceprints
    from ingest.shared.messages import Artifact
    from ingest.shared.sandbox.child import ChildLimits
    from ingest.shared.sandbox.decode import Decoded, DecodeLimits
    from ingest.shared.worker.stage import Report

KEY_LENGTH = 12
SURE = 0.5  # of its language a recognizer is that gives it this share
log = get_logger(__name__)

# what another download may cure
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


@dataclass(frozen=True)
class Told:
    """Who speaks in a recording, or why nobody could tell; neither where nobody listens. `took_s` is wall time."""

    voices: Voiceprints | None = None
    failure: IngestError | None = None
    took_s: float = 0.0


@dataclass(frozen=True)
class Transcribe:
    """The handler of the asr stage."""

    volume: Volume
    scratch: Path
    transcriber: Transcriber
    decode_limits: DecodeLimits
    child_limits: ChildLimits
    who: Who | None = None

    def __call__(self, message: AudioReady, report: Report) -> Done:
        """Return TranscriptReady, or VideoAccessible when the audio has to be downloaded again."""
        origin = f"{message.audio.sha256}:{self.transcriber.recognizer.key}"
        if self.who is not None:
            origin += f":{self.who.hearing.sha256[:KEY_LENGTH]}"
        with self.transcriber.time.doing(BLOCKED):
            there = self.volume.find(message.video_id, "transcript", origin, message.fresh_from)
        if there is not None:
            return Done(self._ready(message, there), numbers={"audio_s": there.duration_s, "fresh": 0.0})
        try:
            return self._transcribe(message, origin, report)
        except IngestError as error:
            if error.is_final or error.code not in WORTH_ANOTHER_DOWNLOAD:
                raise
            if message.redo:
                raise IngestError(error.code, f"{error.message} (downloaded twice)", is_final=True) from error
            return self._send_back(message, error)

    def _transcribe(self, message: AudioReady, origin: str, report: Report) -> Done:
        began = time.monotonic()
        device = self.transcriber.time
        with device.doing(BLOCKED):
            path = self.volume.verified(message.audio)
        with device.doing(DECODING):
            waveform, decoded = audio.load(path, self.scratch, self.decode_limits, self.child_limits)
            if decoded.tracks > 1:
                log.info("several_tracks", tracks=decoded.tracks, used=0, language=decoded.language)
            decode_s = time.monotonic() - began
            speech = audio.find_speech(waveform)
            speech_s = time.monotonic() - began - decode_s
        report({"audio_s": 0.0, "of_s": decoded.duration_s})
        spoken = self.transcriber.transcribe(
            waveform, speech, decoded.duration_s, lambda done_s: report({"audio_s": done_s, "of_s": decoded.duration_s})
        )
        recognised_s = time.monotonic() - began
        told = self._tell(message, waveform, speech)
        timings = Timings(
            decode_s=round(decode_s, 3),
            speech_s=round(speech_s, 3),
            recognise_s=round(recognised_s - decode_s - speech_s, 3),
            diarize_s=round(told.took_s, 3),
            total_s=round(time.monotonic() - began, 3),
        )
        with device.doing(BLOCKED):
            made = self._assemble(message, spoken, decoded, timings, told)
            if told.voices is not None:
                self._keep_voices(message, told.voices, made.duration_s, origin)
            artifact = self._keep(message, made, origin)
        _count(made, told)
        numbers = {
            "audio_s": decoded.duration_s,
            "speech_s": round(spoken.speech_s, 3),
            "segments": float(len(made.segments)),
            "real_time_factor": round(made.real_time_factor, 4),
            "fresh": 1.0,
            **self._numbers(told),
            **_notes(spoken, decoded, made.segments),
            **device.news(),
        }
        failure = told.failure
        return Done(
            self._ready(message, artifact),
            code=failure.code if failure else None,
            text=f"{failure.message}; kept without speakers" if failure else "",
            numbers=numbers,
        )

    def _tell(self, message: AudioReady, waveform: Waveform, speech: Sequence[Span]) -> Told:
        """Return who speaks; a failure does not cost the transcript."""
        if self.who is None:
            return Told()
        began = time.monotonic()
        try:
            with self.transcriber.time.running():
                bounds = Bounds(message.metadata.min_speakers, message.metadata.max_speakers)
                voices = self.who.speaks(message.video_id, waveform, speech, bounds)
        except IngestError as error:
            if error.code is not Code.DIARIZATION_FAILED:
                raise
            return Told(failure=error, took_s=time.monotonic() - began)
        return Told(voices, took_s=time.monotonic() - began)

    def _numbers(self, told: Told) -> dict[str, float]:
        """Return the figures of the diarization: all of them each time, for those of an older run must not remain."""
        if self.who is None:
            return {}
        turns = told.voices.turns if told.voices else ()
        return {
            "diarization_failed": float(told.failure is not None),
            "fast_path": float(told.voices is not None and told.voices.outcome == "fast_path"),
            "speakers": float(len({turn.speaker for turn in turns})),
            "turns": float(len(turns)),
        }

    def _assemble(
        self, message: AudioReady, spoken: Spoken, decoded: Decoded, timings: Timings, told: Told
    ) -> Transcript:
        segments = spoken.built.segments
        if told.voices is not None:
            segments = tuple(attribution.attribute(segments, told.voices.turns))
        return Transcript(
            video_id=message.video_id,
            audio_sha256=message.audio.sha256,
            duration_s=round(decoded.duration_s, 3),
            speech_s=round(spoken.speech_s, 3),
            language=spoken.language,
            language_probability=spoken.language_probability,
            model_key=self.transcriber.recognizer.key,
            segments=segments,
            turns=told.voices.turns if told.voices else None,
            timings=timings,
            notes={name: value for name, value in _notes(spoken, decoded, segments).items() if value},
        )

    def _keep(self, message: AudioReady, made: Transcript, origin: str) -> Artifact:
        with self._temporary(transcript.EXTENSION) as file:
            transcript.write(made, file)
            kept = Made(file, "transcript", transcript.EXTENSION, made.duration_s, origin, message.generation)
            return self.volume.keep(message.video_id, kept)

    def _keep_voices(self, message: AudioReady, voices: Voiceprints, duration_s: float, origin: str) -> None:
        with self._temporary(voiceprints.EXTENSION) as file:
            voiceprints.write(voices, file)
            kept = Made(file, "voices", voiceprints.EXTENSION, duration_s, origin, message.generation)
            self.volume.keep(message.video_id, kept)

    @contextmanager
    def _temporary(self, extension: str) -> Iterator[Path]:
        """Give the name of a file that is gone at the end."""
        path = self.scratch / f"{uuid.uuid4().hex}.{extension}"
        try:
            with translate_os_errors("scratch folder"):
                yield path
        finally:
            path.unlink(missing_ok=True)

    def _ready(self, message: AudioReady, artifact: Artifact) -> TranscriptReady:
        return TranscriptReady(
            video_id=message.video_id,
            generation=message.generation,
            source=message.source,
            metadata=Metadata(duration_s=artifact.duration_s).over(message.metadata),
            fresh_from=message.fresh_from,
            redo=message.redo,
            transcript=artifact,
        )

    def _send_back(self, message: AudioReady, error: IngestError) -> Done:
        self.volume.discard(message.video_id, "audio")
        again = VideoAccessible(
            video_id=message.video_id,
            generation=message.generation,
            source=message.source,
            metadata=message.metadata,
            fresh_from=message.fresh_from,
            redo=message.redo + 1,
        )
        return Done(again, kind=EventKind.RETRYING, code=error.code, text=f"{error.message}; downloading it again")


def _notes(spoken: Spoken, decoded: Decoded, segments: Sequence[Segment]) -> dict[str, float]:
    """Return how much was put right or flagged: all of it each time, for figures of an older run must not remain."""
    return {
        "no_speech": float(not segments),
        "hallucination_flagged": float(sum(bool(segment.flags) for segment in segments)),
        "language_unsure": float(spoken.language_probability < SURE),
        "timestamp_fixed": float(spoken.built.fixed),
        "text_sanitized": float(spoken.built.cleaned),
        "refined": float(spoken.refined),
        "other_tracks": float(decoded.tracks - 1),
        "silence_inserted_s": round(decoded.missing_s, 3),
    }


def _count(made: Transcript, told: Told) -> None:
    if told.failure is not None:
        metrics.DIARIZATIONS.labels("failed").inc()
    elif told.voices is not None:
        metrics.DIARIZATIONS.labels(told.voices.outcome).inc()
        for name in {turn.speaker for turn in told.voices.turns}:
            metrics.SPEAKERS.labels("unknown" if is_stranger(name) else "named").inc()
    metrics.AUDIO_SECONDS.labels(Stage.ASR).inc(made.duration_s)
    metrics.REAL_TIME_FACTOR.observe(made.real_time_factor)
    metrics.SEGMENTS.inc(len(made.segments))
    metrics.REFINED_SEGMENTS.inc(sum(segment.refined for segment in made.segments))
    for segment in made.segments:
        for flag in segment.flags:
            metrics.FLAGGED_SEGMENTS.labels(flag).inc()
