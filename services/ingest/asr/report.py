"""The figures of one transcription: for the event, for the transcript's notes. Pure.

Every figure is reported each time, also when it is 0: figures of an older run of the same video must not remain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.shared.artifacts.captions import CAPTIONED
from ingest.shared.artifacts.transcript import INVENTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.asr.recognition.transcriber import Transcription
    from ingest.shared.artifacts.transcript import Segment, Transcript
    from ingest.shared.artifacts.voiceprints import Voiceprints
    from ingest.shared.errors import IngestError
    from ingest.shared.sandbox.decode import AudioInfo

MIN_LANGUAGE_PROBABILITY = 0.5  # below this the transcript is marked language_unsure


@dataclass(frozen=True)
class SpeakerResult:
    """The speakers of a recording, or the error of the diarization; neither where diarization is off."""

    voices: Voiceprints | None = None
    failure: IngestError | None = None


def figures(
    transcript: Transcript, transcription: Transcription, decoded: AudioInfo, speakers: SpeakerResult
) -> dict[str, float]:
    """Return the figures for the event of a new transcript."""
    return {
        "audio_s": decoded.duration_s,
        "speech_s": round(transcription.speech_s, 3),
        "segments": float(len(transcript.segments)),
        "real_time_factor": round(transcript.real_time_factor, 4),
        "fresh": 1.0,
        **_speaker_figures(speakers),
        **notes(transcription, decoded, transcript.segments),
    }


def notes(transcription: Transcription, decoded: AudioInfo, segments: Sequence[Segment]) -> dict[str, float]:
    """Return how much was corrected or flagged."""
    return {
        "no_speech": float(not segments),
        "hallucination_flagged": float(sum(bool({*segment.flags} - {CAPTIONED}) for segment in segments)),
        "invented_words": float(sum(len(segment.words) for segment in segments if INVENTED in segment.flags)),
        "language_unsure": float(transcription.language_probability < MIN_LANGUAGE_PROBABILITY),
        "other_language_s": round(
            sum(segment.end_s - segment.start_s for segment in segments if segment.language is not None), 3
        ),
        "timestamp_fixed": float(transcription.fixed_times),
        "text_sanitized": float(transcription.cleaned_words),
        "refined": float(transcription.refined),
        "vocabulary_words": float(sum(one.is_taken for one in transcription.splices)),
        "vocabulary_refused": float(sum(not one.is_taken for one in transcription.splices)),
        "unread_s": round(sum(span.duration_s for span in transcription.unread), 3),
        "other_tracks": float(decoded.tracks - 1),
        "sound_track": float(decoded.track + 1 if decoded.track else 0),
        "padding_bytes": float(decoded.padding_bytes),
        "silence_inserted_s": round(decoded.missing_s, 3),
        "starts_at_s": round(decoded.starts_at_s, 3),
        "one_channel_s": round(decoded.one_channel_s, 3),
        "format_changes": float(decoded.format_changes),
    }


def _speaker_figures(speakers: SpeakerResult) -> dict[str, float]:
    """Return the figures of the diarization; none where it is off."""
    if speakers.voices is None and speakers.failure is None:
        return {}
    turns = speakers.voices.turns if speakers.voices else ()
    return {
        "diarization_failed": float(speakers.failure is not None),
        "fast_path": float(speakers.voices is not None and speakers.voices.outcome == "fast_path"),
        "speakers": float(len({turn.speaker for turn in turns})),
        "turns": float(len(turns)),
    }
