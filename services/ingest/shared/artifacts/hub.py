"""Folders of models on the hub: the only file that imports huggingface_hub.

A model is named by a folder, or by a repository of the hub, with or without a revision: `BAAI/bge-m3@5617a9f`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.text import first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class ModelName(NamedTuple):
    """A repository of the hub (or a short name that a library translates), and a branch, tag or commit of it."""

    repository: str
    revision: str | None = None


def parse(name: str) -> ModelName:
    """Return the parts of `repository@revision`."""
    repository, _, revision = name.partition("@")
    return ModelName(repository, revision or None)


def snapshot(name: str, *, token: str | None = None, ignore: Sequence[str] = (), local_only: bool = False) -> Path:
    """Return the folder of a model: the named one, or the hub's snapshot, which is downloaded unless it is cached.

    A partial download is resumed. Raise ENV_MODEL when there is no such model, or when the hub is unreachable.
    """
    if Path(name).is_dir():
        return Path(name)
    snapshot_download = _client()
    repository, revision = parse(name)

    def download() -> str:
        return snapshot_download(
            repository, revision=revision, token=token, ignore_patterns=list(ignore), local_files_only=local_only
        )

    return located(name, download)


def located(name: str, download: Callable[[], str]) -> Path:
    """Return the folder that a download returns; raise ENV_MODEL with the model's name when it fails."""
    try:
        return Path(download())
    except Exception as error:
        raise IngestError(Code.ENV_MODEL, f"model {name}: {first_line(error)}") from error


def home() -> Path:
    """Return the folder in which the hub's client keeps its cache (HF_HOME)."""
    _client()
    from huggingface_hub.constants import HF_HOME

    return Path(HF_HOME)


def _client() -> Callable[..., str]:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ConfigurationError("huggingface_hub is missing: install ingest with the extra asr or embedder") from error
    return snapshot_download
