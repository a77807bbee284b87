"""Follows the videos of a run from the events of all services until the last of them has come to an end."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingest.shared import video_state
from ingest.shared.broker.topology import EVENT_STREAM, LEDGER
from ingest.shared.errors import IngestError
from ingest.shared.messages import Event, decode
from ingest.shared.video_state import VideoState, fold

if TYPE_CHECKING:
    from ingest.embedder.catalog import VideoRow
    from ingest.shared.broker.nats_bus import NatsBus


class Follower:
    """Keeps the states of chosen videos. Begins where the ledger stands: what is older is in the table already."""

    def __init__(self, bus: NatsBus) -> None:
        self._epoch, self._last = bus.position(EVENT_STREAM)
        self._bus = bus
        self._reached = bus.acknowledged(LEDGER, EVENT_STREAM)
        self.videos: dict[str, VideoState] = {}

    def add(self, video_id: str, row: VideoRow | None) -> None:
        """Follow a video that was known as `row`; one whose time has come is on its way again."""
        known = row.as_state() if row is not None else VideoState(video_id)
        if known.state == video_state.DEFERRED and known.retry_at and known.retry_at <= datetime.now(UTC):
            known = replace(known, state=video_state.QUEUED)
        self.videos[video_id] = known

    def restart(self, video_id: str) -> None:
        """Take a video as on its way again: it was just asked for."""
        known = self.videos[video_id]
        self.videos[video_id] = replace(known, state=video_state.QUEUED, code=None, message="", retry_at=None)

    def catch_up(self) -> None:
        """Take the events that were there before us."""
        while self._reached < self._last and self.step(0.0):
            continue

    def step(self, wait_s: float) -> bool:
        """Take the next event and return True; without one, wait a little and return False."""
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
        """Tell whether every video has come to an end."""
        return all(video.is_settled for video in self.videos.values())
