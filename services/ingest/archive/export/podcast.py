"""The JSON of the podcast namespace, 1.0: a segment for each subtitle.

https://github.com/Podcastindex-org/podcast-namespace
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ingest.archive.export.cues import Cue, Rules, cues
from ingest.archive.export.form import Format, written

if TYPE_CHECKING:
    from ingest.archive.export.document import Document


def write(document: Document, rules: Rules) -> str:
    """Return a recording as JSON for `podcast:transcript`."""
    segments = [_segment(cue) for cue in cues(document, rules)]
    return json.dumps({"version": "1.0.0", "segments": segments}, ensure_ascii=False, indent=2) + "\n"


def _segment(cue: Cue) -> dict[str, object]:
    speaker = {"speaker": cue.speaker} if cue.speaker else {}
    return {**speaker, "startTime": round(cue.start_s, 3), "endTime": round(cue.end_s, 3), "body": cue.text}


FORMAT = Format("podcast", "podcast.json", "application/json", written(write))
