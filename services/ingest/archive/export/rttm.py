"""RTTM, the format of diarization tools: a line for each turn. Blanks in names become underscores."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingest.archive.export.form import Format, written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.archive.export.cues import Rules
    from ingest.archive.export.document import Document


def write(document: Document, _rules: Rules) -> str:
    """Return the turns of a recording; without stored turns, its passages with a speaker."""
    name = document.recording.video_id
    return "".join(
        f"SPEAKER {name} 1 {start_s:.3f} {max(0.0, end_s - start_s):.3f} <NA> <NA> {_field(speaker)} <NA> <NA>\n"
        for start_s, end_s, speaker in _turns(document)
    )


def _turns(document: Document) -> Iterator[tuple[float, float, str]]:
    if document.turns:
        yield from ((turn.start_s, turn.end_s, turn.speaker) for turn in document.turns)
    else:
        yield from ((row.start_s, row.end_s, row.speaker) for row in document.passages if row.speaker)


def _field(text: str) -> str:
    return re.sub(r"\s+", "_", text.strip()) or "<NA>"


def _lacks(document: Document) -> str | None:
    return None if any(True for _ in _turns(document)) else "it has no speakers"


FORMAT = Format("rttm", "rttm", "text/plain", written(write), joins=True, lacks=_lacks)
