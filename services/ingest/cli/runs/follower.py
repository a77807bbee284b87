"""Follows the videos of a run by the events of all services, until none of them is unfinished."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingest.shared.broker.topology import EVENT_STREAM, LEDGER
from ingest.shared.errors import IngestError
from ingest.shared.messages import Event, decode
from ingest.shared.video_state import VideoRecord, VideoState, fold

if TYPE_CHECKING:
    from ingest.embedder.tables.catalog import VideoRow
    from ingest.shared.broker.nats_bus import NatsBus


class Follower:
    """Keeps the states of chosen videos. Starts at the position of the ledger: older events are in the table."""

    def __init__(self, bus: NatsBus) -> None:
        self._epoch, self._last = bus.position(EVENT_STREAM)
        self._bus = bus
        self._reached = bus.acknowledged(LEDGER, EVENT_STREAM)
        self.videos: dict[str, VideoRecord] = {}

    def add(self, video_id: str, row: VideoRow | None) -> None:
        """Follow a video from its row in the table; a deferred video whose time has come is queued again."""
        known = row.as_record() if row is not None else VideoRecord(video_id)
        if known.state == VideoState.DEFERRED and known.retry_at and known.retry_at <= datetime.now(UTC):
            known = replace(known, state=VideoState.QUEUED)
        self.videos[video_id] = known

    def leave(self, video_id: str) -> None:
        """Follow a video no longer."""
        del self.videos[video_id]

    def restart(self, video_id: str) -> None:
        """Set the state of a video to queued, after it was requested."""
        known = self.videos[video_id]
        self.videos[video_id] = replace(known, state=VideoState.QUEUED, code=None, message="", retry_at=None)

    def catch_up(self) -> None:
        """Apply the events that existed when the follower was created."""
        while self._reached < self._last and self.step(0.0):
            continue

    def step(self, wait_s: float) -> bool:
        """Apply the next event and return True; without one, wait for `wait_s` and return False."""
        found = self._bus.after(EVENT_STREAM, "ingest.event.*", self._reached)
        if found is None:
            time.sleep(wait_s)
            return False
        self._reached, data = found
        try:
            event = decode(Event, data)
        except IngestError:
            return True  # the ledger reports it
        known = self.videos.get(event.video_id)
        if known is not None:
            self.videos[event.video_id] = fold(known, event, (self._epoch, self._reached))
        return True

    @property
    def is_done(self) -> bool:
        """Return whether every video is finished, or deferred to a time that has not come."""
        now = datetime.now(UTC)
        return all(video.is_settled and not video.is_due(now) for video in self.videos.values())
