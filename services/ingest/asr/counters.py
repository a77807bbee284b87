"""Counts finished transcripts for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.asr.speakers.matching import is_unknown_speaker
from ingest.shared.messages import Stage
from ingest.shared.telemetry import metrics

if TYPE_CHECKING:
    from ingest.asr.report import SpeakerResult
    from ingest.shared.artifacts.transcript import Transcript


def count(transcript: Transcript, speakers: SpeakerResult) -> None:
    """Add a new transcript to the metrics of the stage."""
    metrics.AUDIO_SECONDS.labels(Stage.ASR).inc(transcript.duration_s)
    metrics.REAL_TIME_FACTOR.observe(transcript.real_time_factor)
    metrics.SEGMENTS.inc(len(transcript.segments))
    metrics.REFINED_SEGMENTS.inc(sum(segment.refined for segment in transcript.segments))
    metrics.UNREAD_SPEECH.inc(transcript.notes.get("unread_s", 0.0))
    for segment in transcript.segments:
        for flag in segment.flags:
            metrics.FLAGGED_SEGMENTS.labels(flag).inc()
    _count_speakers(speakers)


def _count_speakers(speakers: SpeakerResult) -> None:
    if speakers.failure is not None:
        metrics.DIARIZATIONS.labels("failed").inc()
    elif speakers.voices is not None:
        metrics.DIARIZATIONS.labels(speakers.voices.outcome).inc()
        for name in {turn.speaker for turn in speakers.voices.turns}:
            metrics.SPEAKERS.labels("unknown" if is_unknown_speaker(name) else "named").inc()
