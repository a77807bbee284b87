"""Puts the recordings of a request into the queue that are neither finished nor queued, a page of them at a time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.runs import submissions
from ingest.cli.runs.on_disk import Texts
from ingest.cli.runs.room import Room
from ingest.downloader.sources.announced import figures
from ingest.shared.broker import requests
from ingest.shared.broker.bus import BusRefusedError
from ingest.shared.errors import IngestError
from ingest.shared.runs.record import publish_recordings

if TYPE_CHECKING:
    from collections.abc import Container

    from ingest.cli.runs.follower import Follower
    from ingest.cli.runs.request import Request
    from ingest.downloader.sources.connector import Recording
    from ingest.embedder.tables.catalog import VideoRow
    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.messages import VideoRequested
    from ingest.shared.video_state import VideoRecord


class Asking:
    """Asks for the recordings that the follower follows, until an entry of `interrupts` says that the user stops."""

    def __init__(self, bus: NatsBus, request: Request, follower: Follower, interrupts: list[bool]) -> None:
        self._bus, self._request, self._follower, self._interrupts = bus, request, follower, interrupts
        self._queued: Container[str] | None = None
        self._of_the_run = Texts()  # recordings with their generations
        self._may_wait = Room(lambda: bool(interrupts)).wait if request.waits_for_room else requests.never

    def add(self, video_id: str, row: VideoRow | None) -> None:
        """Follow a video; note one whose row cannot be read."""
        try:
            self._follower.add(video_id, row)
        except IngestError as error:
            self._request.listing.fail(video_id, error)

    def publish(self) -> None:
        """Request the videos that are followed, as far as they are wanted; an interrupt leaves the rest."""
        videos = list(self._follower.videos.values())
        if self._queued is None and any(video.generation for video in videos):
            self._queued = submissions.queued_ids(self._bus)
        with console.err.status("requesting recordings") as shown:
            for video in videos:
                if self._interrupts:
                    return
                try:
                    self._consider(video)
                except BusRefusedError:
                    if self._interrupts:
                        return
                    raise
                shown.update(f"requesting recordings: {self._request.requested + self._request.known}")

    def end(self) -> None:
        """Publish the account of the listing, and name the recordings to the services that wait for their run."""
        submissions.publish_account(self._bus, self._request.listing)
        if self._request.run is not None:
            videos = ((video_id, int(generation)) for video_id, generation in self._of_the_run.items())
            publish_recordings(self._bus, self._request.run, videos)

    def _consider(self, video: VideoRecord) -> None:
        """Put a recording into the queue that is wanted and not there; note one for which no request is possible."""
        generation = max(1, video.generation)
        if video.video_id in (self._queued or ()) or not self._request.wants(video, datetime.now(UTC)):
            self._request.known += 1
        else:
            recording = self._request.recordings.get(video.video_id)
            try:
                message = self._message(video, recording)
            except IngestError as error:  # of this video: the others are requested
                self._request.listing.fail(video.video_id, error)
                self._follower.leave(video.video_id)
                return
            numbers = figures(recording.cut, "listing_") if recording else None
            requests.publish(self._bus, message, numbers, may_wait=self._may_wait)
            self._follower.restart(video.video_id)
            self._request.requested += 1
            generation = message.generation
        if self._request.run is not None:
            self._of_the_run.add(video.video_id, str(generation))

    def _message(self, video: VideoRecord, recording: Recording | None) -> VideoRequested:
        """Return the request for a recording of the sources, or for one of the archive."""
        if recording is None:
            return requests.build_replacement(video)
        if self._request.gives_day(video):
            same = requests.build_repetition(video)
            metadata = self._request.selection.known.over(same.metadata)
            return same.model_copy(update={"source": recording.source, "metadata": metadata})
        return submissions.build_request(recording, self._request.selection, requests.next_generation(video))
