"""The request of a command: what it named, what was found, and what was put into the queue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.cli.runs.again import Decision, Reason, decide
from ingest.downloader.sources.listing import Listing
from ingest.shared.captions import CaptionUse
from ingest.shared.video_state import VideoState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ingest.cli.selection import Selection
    from ingest.downloader.sources.connector import Recording
    from ingest.shared.messages import Policy
    from ingest.shared.video_state import VideoRecord


@dataclass
class DecisionCount:
    """How many recordings had one decision, and the first time at which one that waits is requested again."""

    count: int = 0
    at: datetime | None = None

    def add(self, decision: Decision) -> None:
        """Count a decision."""
        self.count += 1
        self.at = min((one for one in (self.at, decision.at) if one), default=None)


@dataclass
class Request:
    """A request. `recordings` are those of the page of the listing that is being requested, by id.

    `requested` recordings were put into the queue, and `known` ones were not.
    """

    sources: Sequence[str]
    selection: Selection
    listing: Listing = field(default_factory=Listing)
    recordings: dict[str, Recording] = field(default_factory=dict)
    again: dict[Reason, DecisionCount] = field(default_factory=dict)
    requested: int = 0
    known: int = 0
    run: str | None = None  # the name under which services may wait for the recordings
    waits_for_room: bool = False  # in the queue, which services that run elsewhere make

    def wants(self, video: VideoRecord, now: datetime) -> bool:
        """Return whether a video is put into the queue; note the decision on one that had ended."""
        if self.selection.force or not video.is_settled or video.is_due(now):
            return True
        recording = self.recordings.get(video.video_id)
        if recording is None:
            return False
        if self._is_first_version(video) or self.gives_day(video):
            return True
        decision = decide(video, recording.source, now)
        if decision.reason is not Reason.FINAL:
            self.again.setdefault(decision.reason, DecisionCount()).add(decision)
        return decision.reason.is_request

    def gives_day(self, video: VideoRecord) -> bool:
        """Return whether the request gives another day to an indexed recording, whose files stay as they are."""
        given, is_whole = self.selection.known.published_at, not self._is_first_version(video)
        is_kept = video.state is VideoState.INDEXED and not self.selection.force and is_whole
        return is_kept and given is not None and given != video.metadata.published_at

    def _is_first_version(self, video: VideoRecord) -> bool:
        """Return whether the words of an indexed recording are those of captions alone, and it can be recognised."""
        is_first = video.state is VideoState.INDEXED and is_only(video.policy)
        return is_first and not is_only(self.selection.policy)


def is_only(policy: Policy) -> bool:
    """Return whether captions alone are wanted of a recording."""
    return policy.captions is not None and policy.captions.use is CaptionUse.ONLY
