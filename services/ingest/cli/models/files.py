"""The models that the settings name: where their files are, whether they are complete, and their download.

Works without the libraries that load the models, except that faster-whisper resolves the short names of its own.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ingest.asr.recognition import model_files as whisper_files
from ingest.embedder.text_model import model_files as text_files
from ingest.shared.artifacts import hub
from ingest.shared.artifacts.fingerprint import fingerprint, hub_commit
from ingest.shared.errors import Code, IngestError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from ingest.cli.settings import AllSettings

PIPELINE_FILE = "config.yaml"
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+(@[\w.-]+)?")
POLL_S = 2.0


class Role(StrEnum):
    """What a model is for."""

    RECOGNIZER = "recognizer"
    REFINEMENT = "refinement"
    DIARIZATION = "diarization"
    TEXT = "text"


class ModelState(StrEnum):
    """Whether a model can be loaded without the hub. CHANGED: its content is not the announced or the pinned one."""

    COMPLETE = "complete"
    MISSING = "missing"
    CHANGED = "changed"


class Locate(Protocol):
    """Returns the folder of a model; with `local_only` without the hub. Raises ENV_MODEL when it is not there."""

    def __call__(self, *, local_only: bool) -> Path: ...  # noqa: D102 (the class says it)


@dataclass(frozen=True)
class NamedModel:
    """A model that a setting names. `sha256` is the pinned fingerprint of its folder."""

    role: Role
    name: str
    revision: str | None
    locate: Locate
    sha256: str | None = None


@dataclass(frozen=True)
class ModelReport:
    """A model and its files. `revision` is the commit of a snapshot; `problem` is the reason of another state."""

    role: Role
    name: str
    state: ModelState
    revision: str | None = None
    folder: str | None = None
    size_bytes: int = 0
    fingerprint: str | None = None
    problem: str | None = None


def named(settings: AllSettings, roles: Collection[Role]) -> list[NamedModel]:
    """Return the models of some roles (all, without any); a pipeline's own models come after it, once it is there."""
    makers: dict[Role, Callable[[AllSettings], NamedModel | None]] = {
        Role.RECOGNIZER: _recognizer,
        Role.REFINEMENT: _refinement,
        Role.DIARIZATION: _diarization,
        Role.TEXT: _text,
    }
    made = (make(settings) for role, make in makers.items() if not roles or role in roles)
    return [model for model in made if model is not None]


def inspect(model: NamedModel) -> list[ModelReport]:
    """Return the reports of a model, and of those that it refers to; reads all their files."""
    try:
        folder = model.locate(local_only=True)
    except IngestError:
        problem = "not there, or not complete: see `ingest models fetch`"
        return [ModelReport(model.role, model.name, ModelState.MISSING, model.revision, problem=problem)]
    return [_report(model, folder), *(report for part in _parts(model, folder) for report in inspect(part))]


def is_there(model: NamedModel) -> bool:
    """Whether the files of a model, and of those that it refers to, are complete; reads none of them."""
    try:
        folder = model.locate(local_only=True)
    except IngestError:
        return False
    return all(is_there(part) for part in _parts(model, folder))


def fetch(model: NamedModel) -> list[ModelReport]:
    """Download a model and those that it refers to, as far as files are missing or damaged; return their reports."""
    try:
        folder = model.locate(local_only=False)
        hub.discard_leftovers(folder)
        damaged = list(hub.damaged_files(folder))
        for path in damaged:
            hub.discard(path)
        if damaged:
            folder = model.locate(local_only=False)
    except IngestError as error:
        return [ModelReport(model.role, model.name, ModelState.MISSING, model.revision, problem=error.message)]
    return [_report(model, folder), *(report for part in _parts(model, folder) for report in fetch(part))]


def wait(models: Collection[NamedModel], limit_s: float) -> None:
    """Wait until all models are there, for at most `limit_s`."""
    deadline = time.monotonic() + limit_s
    while not all(is_there(model) for model in models) and time.monotonic() < deadline:
        time.sleep(POLL_S)


def _recognizer(settings: AllSettings) -> NamedModel:
    name = whisper_files.model_name(settings.asr_model, settings.asr_device)
    locate = partial(whisper_files.locate, name, revision=settings.asr_revision)
    return NamedModel(Role.RECOGNIZER, name, settings.asr_revision, locate)


def _refinement(settings: AllSettings) -> NamedModel | None:
    if settings.asr_refine_model in (None, whisper_files.SAME_MODEL):
        return None
    name = whisper_files.model_name(settings.asr_refine_model, settings.asr_device)
    return NamedModel(Role.REFINEMENT, name, None, partial(whisper_files.locate, name))


def _diarization(settings: AllSettings) -> NamedModel | None:
    if settings.diarization_model is None:
        return None
    return NamedModel(
        Role.DIARIZATION,
        settings.diarization_model,
        settings.diarization_revision,
        partial(
            hub.snapshot,
            settings.diarization_model,
            revision=settings.diarization_revision,
            token=settings.diarization_token.get_secret_value() if settings.diarization_token else None,
        ),
        settings.diarization_sha256,
    )


def _text(settings: AllSettings) -> NamedModel:
    locate = partial(text_files.locate, settings.embedding_model, revision=settings.embedding_revision)
    return NamedModel(Role.TEXT, settings.embedding_model, settings.embedding_revision, locate)


def _parts(model: NamedModel, folder: Path) -> Iterator[NamedModel]:
    """Yield the models on the hub that a pyannote.audio pipeline names in its file."""
    file = folder / PIPELINE_FILE
    if model.role is not Role.DIARIZATION or not file.is_file():
        return
    import yaml  # comes with huggingface_hub

    try:
        parameters = yaml.safe_load(file.read_text()).get("pipeline", {}).get("params", {})
    except (AttributeError, yaml.YAMLError) as error:
        raise IngestError(Code.ENV_MODEL, f"{file} is no configuration of a pipeline") from error
    for value in parameters.values():
        if isinstance(value, str) and REPOSITORY.fullmatch(value):
            name, _, revision = value.partition("@")
            yield NamedModel(
                Role.DIARIZATION, name, revision or None, partial(hub.snapshot, name, revision=revision or None)
            )


def _report(model: NamedModel, folder: Path) -> ModelReport:
    found = fingerprint(folder)
    damaged = [path.name for path in hub.damaged_files(folder)]
    size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    state, problem = ModelState.COMPLETE, None
    if not size_bytes:
        state, problem = ModelState.MISSING, "the folder has no files"
    elif damaged:
        state, problem = ModelState.CHANGED, f"not as the hub announced: {', '.join(damaged)}"
    elif model.sha256 not in (None, found):
        state, problem = ModelState.CHANGED, f"its fingerprint is not the pinned {model.sha256}"
    commit = hub_commit(folder)
    return ModelReport(
        role=model.role,
        name=model.name,
        state=state,
        revision=commit or model.revision,
        folder=str(folder),
        size_bytes=size_bytes,
        fingerprint=found,
        problem=problem,
    )
