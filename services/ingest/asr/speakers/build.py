"""Builds the speaker models from the settings, for the service and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from ingest.asr.speakers import known_models
from ingest.asr.speakers.identifier import SpeakerIdentifier
from ingest.asr.speakers.matching import Thresholds
from ingest.asr.speakers.profiles import Profiles
from ingest.asr.speakers.windows import Bounds
from ingest.shared.artifacts import hub
from ingest.shared.errors import ConfigurationError, IngestError
from ingest.shared.homes.chosen import home_of
from ingest.shared.telemetry import metrics
from ingest.shared.text import first_line

if TYPE_CHECKING:
    from ingest.asr.device import Device
    from ingest.asr.settings import AsrSettings
    from ingest.asr.speakers.diarizer import Diarizer

NAMING_FILE = "naming.json"


def thresholds(settings: AsrSettings) -> Thresholds:
    """Return the thresholds: as set, else from the file of the model, else those of its network, else cautious ones."""
    defaults = _of_model(settings)
    given = {
        "accept": settings.voice_accept,
        "margin": settings.voice_margin,
        "split_accept": settings.voice_split_accept,
        "split_range": settings.voice_split_range,
        "split_variance": settings.voice_split_variance,
        "same_voice": settings.voice_same,
        "link": settings.voice_link,
    }
    return defaults.model_copy(update={name: value for name, value in given.items() if value is not None})


def _of_model(settings: AsrSettings) -> Thresholds:
    if settings.diarization_model is None:
        return Thresholds()
    try:
        folder = hub.snapshot(settings.diarization_model, revision=settings.diarization_revision, local_only=True)
    except (IngestError, ConfigurationError):  # not on this machine
        return Thresholds()
    path = folder / NAMING_FILE
    try:
        if path.is_file():
            return Thresholds.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {first_line(error)}") from error
    return known_models.of_folder(folder) or Thresholds()


def load(settings: AsrSettings, device: Device) -> Diarizer:
    """Load the pipeline; `device` is that of the recognizer. Raise ConfigurationError when no pipeline is set."""
    if settings.diarization_model is None:
        raise ConfigurationError("diarization is off: set INGEST_DIARIZATION_MODEL")
    from ingest.asr.speakers.diarizer import Diarizer, DiarizerOptions  # seconds of imports

    # downloaded before its thresholds are read
    hub.snapshot(settings.diarization_model, revision=settings.diarization_revision, token=_token(settings))
    options = DiarizerOptions(
        model=settings.diarization_model,
        device=device if settings.diarization_device == "auto" else settings.diarization_device,
        batch=settings.diarization_batch,
        window_s=settings.diarization_window_s,
        link=thresholds(settings).link,
        token=_token(settings),
        revision=settings.diarization_revision,
        sha256=settings.diarization_sha256,
        bounds=Bounds(settings.min_speakers, settings.max_speakers),
    )
    with metrics.loading("diarization"):
        return Diarizer(options)


def _token(settings: AsrSettings) -> str | None:
    return settings.diarization_token.get_secret_value() if settings.diarization_token else None


def make(settings: AsrSettings, device: Device) -> SpeakerIdentifier | None:
    """Return the speaker identifier, or None where diarization is off."""
    if settings.diarization_model is None:
        return None
    return SpeakerIdentifier(
        voice_model=load(settings, device),
        profiles=Profiles(home_of(settings)),
        thresholds=thresholds(settings),
        fast_path=settings.diarization_fast_path,
    )
