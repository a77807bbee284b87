"""Looks for a message of a run in the queues: waiting, in progress, or due later.

A stage publishes its result before it acknowledges its input, so an open recording always has a message. The search
remembers where it found the last one, and goes on from there: over the time of a run, each message is read once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pydantic import ConfigDict

from ingest.shared.broker.topology import LATER_STREAM, WORK_STREAM
from ingest.shared.errors import IngestError
from ingest.shared.messages import VideoMessage, decode

if TYPE_CHECKING:
    from collections.abc import Mapping

QUEUES = {WORK_STREAM: "ingest.>", LATER_STREAM: "ingest.later.*"}


class Reader(Protocol):
    """The part of the bus that reads streams."""

    def after(self, stream: str, subject: str, sequence: int) -> tuple[int, bytes] | None:
        """Return (sequence, data) of the first message after a sequence that a stream holds, or None."""


class AnyVideo(VideoMessage):
    """A message for any stage, of which only the recording and its generation are read."""

    model_config = ConfigDict(extra="ignore")


class QueueSearch:
    """The search for messages of one run. Recordings that are added to the run later need another search."""

    def __init__(self, reader: Reader, videos: Mapping[str, int]) -> None:
        self._reader = reader
        self._videos = videos
        self._before = dict.fromkeys(QUEUES, 0)  # up to here there is no message of the run

    def has_any(self) -> bool:
        """Return whether a queue has a message of the run."""
        return any(self._is_in(stream, subject) for stream, subject in QUEUES.items())

    def _is_in(self, stream: str, subject: str) -> bool:
        while (found := self._reader.after(stream, subject, self._before[stream])) is not None:
            sequence, data = found
            if self._is_ours(data):
                return True
            self._before[stream] = sequence
        return False

    def _is_ours(self, data: bytes) -> bool:
        try:
            message = decode(AnyVideo, data)
        except IngestError:
            return False  # its stage makes it a dead letter
        return message.generation <= self._videos.get(message.video_id, 0)
