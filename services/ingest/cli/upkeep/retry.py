"""`ingest retry`: requests failed or skipped videos again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.cli.runs import submissions
from ingest.shared.errors import ConfigurationError
from ingest.shared.video_state import VideoState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.embedder.tables.catalog import Catalog
    from ingest.shared.broker.nats_bus import NatsBus


def retry(bus: NatsBus, catalog: Catalog, *, codes: Sequence[str] | None, videos: Sequence[str] | None) -> int:
    """Request videos again: those named, failed and skipped ones with an error code, or all failed ones.

    Return how many were requested; raise ConfigurationError for a video that is not in the archive.
    """
    if videos:
        found = catalog.videos(videos)
        missing = [video for video in videos if video not in found]
        if missing:
            raise ConfigurationError(f"the archive has no video {', '.join(missing)}")
        rows = list(found.values())
    else:
        states = (VideoState.FAILED, VideoState.SKIPPED) if codes else (VideoState.FAILED,)
        rows = catalog.chosen(states=states, codes=codes)
    requests = list(submissions.each_request(rows, submissions.build_repetition))
    for request in requests:
        submissions.publish(bus, request)
    return len(requests)
