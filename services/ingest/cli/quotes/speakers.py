"""Compares the voices of citations with those of their speakers, in the recording and enrolled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ingest.asr.spans import Span
from ingest.cli.quotes import voice
from ingest.cli.quotes.listener import voice_vectors
from ingest.cli.quotes.verdicts import judge_voice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingest.archive.citation import Citation
    from ingest.archive.citing import Origin
    from ingest.asr.audio import Waveform
    from ingest.asr.speakers.identifier import VoiceModel
    from ingest.asr.speakers.profiles import Profile
    from ingest.asr.speakers.vectors import FloatArray
    from ingest.cli.quotes.models import Models
    from ingest.cli.quotes.verdicts import Verdict

TOO_SHORT = "the voice was not compared: the citation is too short, or too quiet"


@dataclass(frozen=True, eq=False)
class KnownVoices:
    """The voice model, and the voices to compare with; `least` is the score that names a single turn."""

    model: VoiceModel
    in_recording: Mapping[str, FloatArray]
    profiles: Sequence[Profile]
    least: float


def judged(
    models: Models,
    waveform: Waveform,
    citations: Sequence[Citation],
    verdicts: Sequence[Verdict],
    origin: Origin | None,
) -> list[Verdict]:
    """Return the verdicts on the words, with those on the voice where the words are the same and have a speaker."""
    found = list(verdicts)
    wanted = [(number, one) for number, one in enumerate(citations) if one.speaker and found[number].result == "same"]
    if not wanted:
        return found
    known = _known(models, origin)
    if isinstance(known, str):
        for number, _ in wanted:
            found[number] = _noted(found[number], known)
        return found
    parts = [Span(one.from_s, one.to_s) for _, one in wanted]
    for (number, one), vectors in zip(wanted, voice_vectors(known.model, waveform, parts), strict=True):
        found[number] = _compared(found[number], one.speaker or "", vectors, known)
    return found


def _known(models: Models, origin: Origin | None) -> KnownVoices | str:
    """Return the voices to compare with, or the reason why none are compared."""
    if models.voice is None:
        return "the voice was not compared: INGEST_DIARIZATION_MODEL is not set"
    if origin is None or origin.voice_model is None or origin.vectors is None:
        return "the voice was not compared: the archive has no voiceprints of the recording"
    if origin.voice_model not in (models.voice.key, models.voice.old_key):
        return "the voice was not compared: the voiceprints are of another model than that of the settings"
    return KnownVoices(
        models.voice,
        voice.voices_of(origin.turns, origin.vectors),
        models.profiles.of(models.voice.key, models.voice.old_key),
        models.thresholds.split_accept,
    )


def _compared(verdict: Verdict, speaker: str, vectors: FloatArray, known: KnownVoices) -> Verdict:
    if not len(vectors):
        return _noted(verdict, TOO_SHORT)
    match = voice.compare(vectors, speaker, known.in_recording, known.profiles, known.least)
    return judge_voice(verdict, speaker, match)


def _noted(verdict: Verdict, note: str) -> Verdict:
    return replace(verdict, notes=(*verdict.notes, note))
