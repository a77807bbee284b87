"""CSV: a row for each passage. A text that a spreadsheet would take for a formula begins with an apostrophe."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from ingest.archive.export.form import Format, one_line, written

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingest.archive.export.cues import Rules
    from ingest.archive.export.document import Document

COLUMNS = (
    *("id", "title", "channel", "published_at", "language", "passage"),
    *("start_s", "end_s", "speaker", "score", "is_overlap", "flags", "text", "link", "also_speaking"),
)
FORMULA = ("=", "+", "-", "@")


def write(document: Document, _rules: Rules) -> str:
    """Return the passages of a recording as rows."""
    recording = document.recording
    published = recording.published_at.isoformat() if recording.published_at else None
    about = (recording.video_id, recording.title, recording.channel, published, recording.language)
    return _rows(
        (
            *about,
            *(row.index, row.start_s, row.end_s, row.speaker, row.score, row.is_overlap, " ".join(row.flags)),
            *(row.text, document.link(row.start_s), "; ".join(row.also_speaking)),
        )
        for row in document.passages
    )


def _rows(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    line = one_line(value)
    return f"'{line}" if line.startswith(FORMULA) else line


FORMAT = Format("csv", "csv", "text/csv", written(write, _rows([COLUMNS])), joins=True)
