"""The asr stage: an audio file becomes a transcript file.

A file that is missing, changed or broken is asked for once more: the message goes back to the download stage.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.asr import audio
from services.shared import metrics, transcript
from services.shared.answers import Done
from services.shared.errors import Code, IngestError
from services.shared.messages import (
    AudioReady,
    EventKind,
    Metadata,
    Stage,
    TranscriptReady,
    VideoAccessible,
)
from services.shared.timesplit import BLOCKED, DECODING
from services.shared.transcript import Timings, Transcript
from services.shared.volume import Made, Volume, translate_os_errors

if TYPE_CHECKING:
    from pathlib import Path

    from services.asr.transcribe import Spoken, Transcriber
    from services.shared.child import ChildLimits
    from services.shared.media import Decoded, DecodeLimits
    from services.shared.messages import Artifact
    from services.shared.worker import Report

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
class Transcribe:
    """The handler of the asr stage."""

    volume: Volume
    scratch: Path
    transcriber: Transcriber
    decode_limits: DecodeLimits
    child_limits: ChildLimits

    def __call__(self, message: AudioReady, report: Report) -> Done:
        """Return TranscriptReady, or VideoAccessible when the audio has to be downloaded again."""
        origin = f"{message.audio.sha256}:{self.transcriber.recognizer.key}"
        with self.transcriber.time.doing(BLOCKED):
            there = self.volume.find(message.video_id, "transcript", origin, message.fresh_from)
        if there is not None:
            return Done(self._ready(message, there), numbers={"audio_s": there.duration_s, "fresh": 0.0})
        try:
            return self._transcribe(message, origin, report)
        except IngestError as error:
            if error.code not in WORTH_ANOTHER_DOWNLOAD:
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
            decode_s = time.monotonic() - began
            speech = audio.find_speech(waveform)
            speech_s = time.monotonic() - began - decode_s
        report({"audio_s": 0.0, "of_s": decoded.duration_s})
        spoken = self.transcriber.transcribe(
            waveform, speech, decoded.duration_s, lambda done_s: report({"audio_s": done_s, "of_s": decoded.duration_s})
        )
        total_s = time.monotonic() - began
        timings = Timings(
            decode_s=round(decode_s, 3),
            speech_s=round(speech_s, 3),
            recognise_s=round(total_s - decode_s - speech_s, 3),
            total_s=round(total_s, 3),
        )
        with device.doing(BLOCKED):
            made = self._assemble(message, spoken, decoded, timings)
            artifact = self._keep(message, made, origin)
        _count(made)
        numbers = {
            "audio_s": decoded.duration_s,
            "speech_s": round(spoken.speech_s, 3),
            "segments": float(len(made.segments)),
            "real_time_factor": round(made.real_time_factor, 4),
            "fresh": 1.0,
            **made.notes,
            **device.news(),
        }
        return Done(self._ready(message, artifact), numbers=numbers)

    def _assemble(self, message: AudioReady, spoken: Spoken, decoded: Decoded, timings: Timings) -> Transcript:
        flagged = sum(bool(segment.flags) for segment in spoken.built.segments)
        notes = {
            "no_speech": float(not spoken.built.segments),
            "hallucination_flagged": float(flagged),
            "timestamp_fixed": float(spoken.built.fixed),
            "refined": float(spoken.refined),
            "other_tracks": float(decoded.tracks - 1),
            "silence_inserted_s": round(decoded.missing_s, 3),
        }
        return Transcript(
            video_id=message.video_id,
            audio_sha256=message.audio.sha256,
            duration_s=round(decoded.duration_s, 3),
            speech_s=round(spoken.speech_s, 3),
            language=spoken.language,
            language_probability=spoken.language_probability,
            model_key=self.transcriber.recognizer.key,
            segments=spoken.built.segments,
            timings=timings,
            notes={name: value for name, value in notes.items() if value},
        )

    def _keep(self, message: AudioReady, made: Transcript, origin: str) -> Artifact:
        temporary = self.scratch / f"{uuid.uuid4().hex}.{transcript.EXTENSION}"
        try:
            with translate_os_errors("transcript"):
                transcript.write(made, temporary)
            return self.volume.keep(
                message.video_id,
                Made(
                    file=temporary,
                    kind="transcript",
                    extension=transcript.EXTENSION,
                    duration_s=made.duration_s,
                    origin=origin,
                    generation=message.generation,
                ),
            )
        finally:
            temporary.unlink(missing_ok=True)

    def _ready(self, message: AudioReady, artifact: Artifact) -> TranscriptReady:
        return TranscriptReady(
            video_id=message.video_id,
            generation=message.generation,
            source=message.source,
            metadata=Metadata(duration_s=artifact.duration_s).over(message.metadata),
            force=message.force,
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
            force=message.force,
            redo=message.redo + 1,
        )
        return Done(again, kind=EventKind.RETRYING, code=error.code, text=f"{error.message}; downloading it again")


def _count(made: Transcript) -> None:
    metrics.AUDIO_SECONDS.labels(Stage.ASR).inc(made.duration_s)
    metrics.REAL_TIME_FACTOR.observe(made.real_time_factor)
    metrics.SEGMENTS.inc(len(made.segments))
    metrics.REFINED_SEGMENTS.inc(sum(segment.refined for segment in made.segments))
    for segment in made.segments:
        for flag in segment.flags:
            metrics.FLAGGED_SEGMENTS.labels(flag).inc()
