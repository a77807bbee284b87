"""The files of Whisper models, in a folder or on the hub, and what identifies them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ingest.asr.device import Device, DeviceSetting, device_of
from ingest.shared.artifacts import hub
from ingest.shared.artifacts.fingerprint import short_id
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


def model_id(name: str, folder: Path) -> str:
    """Return the name of a model with its commit on the hub or, for a local one, the hash of its content."""
    shown = folder.name if Path(name).is_dir() else name
    return f"{shown}@{short_id(folder)}"


def old_model_id(name: str) -> str:
    """Return the id that version 0.1.0 gave a model: equal for local models of equal sizes, and for all revisions."""
    folder = Path(name)
    if not folder.is_dir():
        return name
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.json")):
        digest.update(path.read_bytes())
    digest.update(str((folder / "model.bin").stat().st_size).encode())
    return f"{folder.name}@{digest.hexdigest()[:8]}"


def _missing(error: ImportError) -> ConfigurationError:
    return ConfigurationError(f"{error.name} is missing: install ingest with the extra asr")
