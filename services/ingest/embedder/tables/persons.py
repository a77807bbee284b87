"""The persons that a source names for a recording: a part of `videos.about`, which `ingest forget --speaker` erases."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import re

    from ingest.embedder.postgres.database import Database

NAMED = "SELECT video_id, about -> 'persons' FROM videos WHERE jsonb_typeof(about -> 'persons') = 'array'"
KEEP = "UPDATE videos SET about = jsonb_set(about, '{persons}', %s) WHERE video_id = %s"


def naming(database: Database, pattern: re.Pattern[str], *, erase: bool) -> dict[str, int]:
    """Return how many entries of each recording name a person; with `erase`, delete them as a whole."""
    found: dict[str, int] = {}
    with database.transaction() as connection:
        rows: list[Any] = connection.execute(NAMED).fetchall()
        for video_id, persons in rows:
            kept = [one for one in persons if not pattern.search(str(one))]
            if len(kept) < len(persons):
                found[str(video_id)] = len(persons) - len(kept)
                if erase:
                    connection.execute(KEEP, (json.dumps(kept), video_id))
    return found
