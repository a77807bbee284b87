"""The stages of the pipeline, a row each; subjects, permissions, users and the command line follow from them.

    PIPELINE    stage -> service that runs it, message that it reads, where that arrives, message that it publishes

A new stage is a row here, its message in `messages.py`, and a package of its own; CONTRIBUTING.md has the other files.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from ingest.shared.messages import AudioReady, Stage, TranscriptReady, VideoAccessible, VideoMessage, VideoRequested

Input_co = TypeVar("Input_co", bound=VideoMessage, covariant=True)


class Service(StrEnum):
    """The services that work on videos: names of packages, extras, Deployments and users of the broker."""

    DOWNLOADER = "downloader"
    ASR = "asr"
    EMBEDDER = "embedder"


@dataclass(frozen=True)
class StageSpec(Generic[Input_co]):
    """A stage: its service, its input, where that arrives, and its output (None: rows of the archive).

    A stage with `asks_again` may ask for a file again that an earlier one has made. `may_publish` is the output of a
    later stage, where there is nothing for the stages between to do.
    """

    stage: Stage
    service: Service
    reads: type[Input_co]
    subject: str
    publishes: type[VideoMessage] | None
    asks_again: bool = False
    may_publish: type[VideoMessage] | None = None


CHECK = StageSpec(Stage.CHECK, Service.DOWNLOADER, VideoRequested, "ingest.video.requested", VideoAccessible)
DOWNLOAD = StageSpec(
    Stage.DOWNLOAD,
    Service.DOWNLOADER,
    VideoAccessible,
    "ingest.video.accessible",
    AudioReady,
    may_publish=TranscriptReady,  # of captions alone
)
ASR = StageSpec(Stage.ASR, Service.ASR, AudioReady, "ingest.audio.ready", TranscriptReady, asks_again=True)
EMBEDDER = StageSpec(
    Stage.EMBEDDER, Service.EMBEDDER, TranscriptReady, "ingest.transcript.ready", None, asks_again=True
)
PIPELINE: tuple[StageSpec[Any], ...] = (CHECK, DOWNLOAD, ASR, EMBEDDER)
SPEC_OF = {spec.stage: spec for spec in PIPELINE}


def stages_of(service: Service) -> tuple[StageSpec[Any], ...]:
    """Return the stages that a service runs."""
    return tuple(spec for spec in PIPELINE if spec.service is service)
