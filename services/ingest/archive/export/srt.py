"""SubRip subtitles. A text begins with its speaker where the speaker changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.archive.export.cues import Rules, cues
from ingest.archive.export.form import Format, written

if TYPE_CHECKING:
    from ingest.archive.export.document import Document


def write(document: Document, rules: Rules) -> str:
    """Return a recording as SubRip."""
    blocks = [
        f"{number}\n{_time(cue.start_s)} --> {_time(cue.end_s)}\n{_safe(cue.lines)}\n"
        for number, cue in enumerate(cues(document, rules, prefixed=True), 1)
    ]
    return "\n".join(blocks)


def _safe(lines: tuple[str, ...]) -> str:
    """Return lines without the arrow of times. The format has no escapes."""
    return "\n".join(line.replace("-->", "->") for line in lines)


def _time(seconds: float) -> str:
    total_ms = round(seconds * 1000)
    minutes, rest_ms = divmod(total_ms, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest_ms // 1000:02},{rest_ms % 1000:03}"


FORMAT = Format("srt", "srt", "application/x-subrip", written(write))
