"""The files of Whisper models: in a folder, or on the hub."""

from __future__ import annotations

from pathlib import Path

from ingest.asr.device import Device, DeviceSetting, device_of
from ingest.shared.artifacts import hub
from ingest.shared.errors import ConfigurationError

AUTO = "auto"
SAME_MODEL = "same"
FILES = ["config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*"]  # as faster-whisper
AUTO_MODELS: dict[Device, str] = {"cuda": "distil-large-v3", "cpu": "small"}


def model_name(setting: str, device: DeviceSetting) -> str:
    """Return the model that a setting names; `auto` depends on the device."""
    if setting != AUTO:
        return setting
    try:
        return AUTO_MODELS[device_of(device)]
    except ImportError as error:
        raise _missing(error) from error


def locate(name: str, *, revision: str | None = None, local_only: bool = False) -> Path:
    """Return the folder of a Whisper model; download it from the hub unless it is there."""
    if "/" in name or Path(name).is_dir():
        return hub.snapshot(name, revision=revision, allow=FILES, local_only=local_only)
    try:
        from faster_whisper import download_model  # it knows the repositories of `small`, `large-v3` and so on
    except ImportError as error:
        raise _missing(error) from error
    return hub.located(name, lambda: str(download_model(name, revision=revision, local_files_only=local_only)))


def _missing(error: ImportError) -> ConfigurationError:
    return ConfigurationError(f"{error.name} is missing: install ingest with the extra asr")
