"""Follows the videos of a run by the events of all services, until none of them is unfinished."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingest.cli.runs.on_disk import Texts
from ingest.shared.broker.topology import EVENT_STREAM, LEDGER
from ingest.shared.errors import IngestError
from ingest.shared.messages import Event, decode
from ingest.shared.video_state import VideoRecord, VideoState, fold

if TYPE_CHECKING:
    from ingest.embedder.tables.catalog import VideoRow
    from ingest.shared.broker.nats_bus import NatsBus


class Follower:
    """Keeps the states of chosen videos: those of their rows, and the events that are not in the table yet."""

    def __init__(self, bus: NatsBus) -> None:
        self._epoch, last = bus.position(EVENT_STREAM)
        self._bus = bus
        self._reached = bus.acknowledged(LEDGER, EVENT_STREAM)
        self._waiting = Texts()  # for the ledger, by video
        self.videos: dict[str, VideoRecord] = {}
        while self._reached < last and (event := self._next()) is not None:
            self._note(event)

    def add(self, video_id: str, row: VideoRow | None) -> None:
        """Follow a video from its row in the table; a deferred video whose time has come is queued again."""
        known = row.as_record() if row is not None else VideoRecord(video_id)
        if known.state == VideoState.DEFERRED and known.retry_at and known.retry_at <= datetime.now(UTC):
            known = replace(known, state=VideoState.QUEUED)
        for text in self._waiting.of(video_id):
            sequence, data = json.loads(text)
            known = fold(known, decode(Event, data.encode()), (self._epoch, sequence))
        self.videos[video_id] = known

    def leave(self, video_id: str) -> None:
        """Follow a video no longer."""
        del self.videos[video_id]

    def restart(self, video_id: str) -> None:
        """Set the state of a video to queued, after it was requested."""
        known = self.videos[video_id]
        self.videos[video_id] = replace(known, state=VideoState.QUEUED, code=None, message="", retry_at=None)

    def step(self, wait_s: float) -> bool:
        """Apply the next event and return True; without one, wait for `wait_s` and return False."""
        data = self._next()
        if data is None:
            time.sleep(wait_s)
            return False
        event = _read(data)
        known = self.videos.get(event.video_id) if event else None
        if event is not None and known is not None:
            self.videos[event.video_id] = fold(known, event, (self._epoch, self._reached))
        return True

    def _next(self) -> bytes | None:
        """Return the next event of the stream, if there is one."""
        found = self._bus.after(EVENT_STREAM, "ingest.event.*", self._reached)
        if found is None:
            return None
        self._reached, data = found
        return data

    def _note(self, data: bytes) -> None:
        event = _read(data)
        if event is not None:
            self._waiting.add(event.video_id, json.dumps((self._reached, data.decode())))

    @property
    def is_done(self) -> bool:
        """Return whether every video is finished, or deferred to a time that has not come."""
        now = datetime.now(UTC)
        return all(video.is_settled and not video.is_due(now) for video in self.videos.values())


def _read(data: bytes) -> Event | None:
    """Return an event; None for one that cannot be read: the ledger reports it."""
    try:
        return decode(Event, data)
    except IngestError:
        return None
