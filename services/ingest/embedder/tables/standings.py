"""Reads how far recordings are, for the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.shared.runs.verdict import Standing
from ingest.shared.video_state import VideoState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingest.embedder.postgres.database import Database

STANDINGS = "SELECT video_id, generation, state FROM videos WHERE video_id = ANY(%s)"


def standings(database: Database, video_ids: Iterable[str]) -> dict[str, Standing]:
    """Return generation and state of each video that has a row."""
    with database.transaction() as connection:
        rows = connection.execute(STANDINGS, (list(video_ids),)).fetchall()
    return {
        str(video_id): Standing(int(str(generation)), VideoState(str(state))) for video_id, generation, state in rows
    }
