"""`ingest retry`: asks again for videos that failed or were skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.cli.local.state_folder import connected
from ingest.cli.runs import submissions
from ingest.embedder.catalog import Catalog
from ingest.shared import video_state
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.cli.settings import AllSettings
    from ingest.shared.broker.nats_bus import NatsBus


def retry(settings: AllSettings, *, codes: Sequence[str] | None, videos: Sequence[str] | None) -> int:
    """Ask again for videos that failed or were skipped: those named, those with an error code, or all failed ones."""
    with connected(settings) as to:
        return retry_known(to.bus, Catalog(to.archive), codes=codes, videos=videos)


def retry_known(bus: NatsBus, catalog: Catalog, *, codes: Sequence[str] | None, videos: Sequence[str] | None) -> int:
    """Do what `retry` does, with given connections."""
    if videos:
        found = catalog.videos(videos)
        missing = [video for video in videos if video not in found]
        if missing:
            raise ConfigurationError(f"the archive knows no video {', '.join(missing)}")
        rows = list(found.values())
    else:
        states = (video_state.FAILED, video_state.SKIPPED) if codes else (video_state.FAILED,)
        rows = catalog.chosen(states=states, codes=codes)
    for row in rows:
        submissions.publish(bus, submissions.again(row.as_state()))
    return len(rows)
