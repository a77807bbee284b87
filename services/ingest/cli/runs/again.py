"""Decides whether a recording that has ended without being indexed is requested again. Pure.

A source may change after a verdict: its address is corrected, its host comes back. A new address is tried at once. What
failed for a reason that may pass is tried again with a growing pause, a limited number of times.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urldefrag

from ingest.shared.errors import MAY_PASS
from ingest.shared.messages import Source, SourceKind
from ingest.shared.video_state import VideoRecord, VideoState

if TYPE_CHECKING:
    from datetime import datetime

MOST_REQUESTS = 10
FIRST_PAUSE_S = 600.0
FACTOR = 3
LONGEST_PAUSE_S = 7 * 86_400.0


class Reason(StrEnum):
    """Why a recording is requested again, or not."""

    NEW_ADDRESS = "requested again at a new address"
    TRANSIENT = "requested again, because the reason of the failure may have passed"
    WAITS = "failed for a reason that may pass; requested again later"
    EXHAUSTED = f"failed {MOST_REQUESTS} times for a reason that may pass; `ingest retry` requests it again"
    FINAL = ""

    @property
    def is_request(self) -> bool:
        """Return whether the recording is requested now."""
        return self in (Reason.NEW_ADDRESS, Reason.TRANSIENT)


@dataclass(frozen=True)
class Decision:
    """The reason, and when a recording that waits is requested again."""

    reason: Reason
    at: datetime | None = None


def decide(known: VideoRecord, source: Source, now: datetime) -> Decision:
    """Return whether a recording that a source lists at an address is requested again."""
    if known.state not in (VideoState.FAILED, VideoState.SKIPPED):
        return Decision(Reason.FINAL)
    at = (known.updated_at or now) + timedelta(seconds=pause_s(known.generation))
    if known.source is not None and _place(known.source) != _place(source):
        is_exhausted = known.generation >= MOST_REQUESTS  # two sources may list it at different addresses, in turn
        return Decision(Reason.WAITS, at) if is_exhausted and at > now else Decision(Reason.NEW_ADDRESS)
    has_new_query = known.source is not None and known.source != source  # it may change with each listing
    if known.code not in MAY_PASS and not has_new_query:
        return Decision(Reason.FINAL)
    if known.generation >= MOST_REQUESTS:
        return Decision(Reason.EXHAUSTED)
    return Decision(Reason.TRANSIENT) if at <= now else Decision(Reason.WAITS, at)


def pause_s(requests: int) -> float:
    """Return the pause after this many requests: none after the first, then growing."""
    if requests <= 1:
        return 0.0
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * float(FACTOR) ** (requests - 2))


def _place(source: Source) -> str:
    """Return a media address without its query and its login, and any other as it is."""
    if source.kind is not SourceKind.MEDIA:
        return source.url
    address = urldefrag(source.url).url.partition("?")[0]
    scheme, _, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
