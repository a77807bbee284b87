"""The models with which citations are heard again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.asr.recognition.transcriber import Transcriber
    from ingest.asr.speakers.identifier import VoiceModel
    from ingest.asr.speakers.matching import Thresholds
    from ingest.asr.speakers.profiles import Profiles


@dataclass(frozen=True)
class Models:
    """The models of the settings. `voice` is None where diarization is off."""

    transcriber: Transcriber
    voice: VoiceModel | None
    profiles: Profiles
    thresholds: Thresholds
