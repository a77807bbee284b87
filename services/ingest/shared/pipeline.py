"""The stages of the pipeline, a row each; subjects, permissions and the command line follow from them.

    PIPELINE    stage -> service that runs it, message that it reads, where that arrives, message that it publishes

A new stage is a row here, its message in `messages.py`, and a package of its own; CONTRIBUTING.md has the other files.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ingest.shared.messages import AudioReady, Stage, TranscriptReady, VideoAccessible, VideoRequested

if TYPE_CHECKING:
    from ingest.shared.messages import VideoMessage


class Service(StrEnum):
    """The services that work on videos: names of packages, extras, Deployments and users of the broker."""

    DOWNLOADER = "downloader"
    ASR = "asr"
    EMBEDDER = "embedder"


@dataclass(frozen=True)
class StageSpec:
    """A stage: its service, its input, where that arrives, and its output (None: rows of the archive).

    A stage with `asks_again` may ask for a file again that an earlier one has made.
    """

    stage: Stage
    service: Service
    reads: type[VideoMessage]
    subject: str
    publishes: type[VideoMessage] | None
    asks_again: bool = False


PIPELINE = (
    StageSpec(Stage.CHECK, Service.DOWNLOADER, VideoRequested, "ingest.video.requested", VideoAccessible),
    StageSpec(Stage.DOWNLOAD, Service.DOWNLOADER, VideoAccessible, "ingest.video.accessible", AudioReady),
    StageSpec(Stage.ASR, Service.ASR, AudioReady, "ingest.audio.ready", TranscriptReady, asks_again=True),
    StageSpec(Stage.EMBEDDER, Service.EMBEDDER, TranscriptReady, "ingest.transcript.ready", None, asks_again=True),
)


def stages_of(service: Service) -> tuple[StageSpec, ...]:
    """Return the stages that a service runs."""
    return tuple(spec for spec in PIPELINE if spec.service is service)
