"""Names of exported files: safe on every system, and different for each recording."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingest.shared import outgoing
from ingest.shared.text import one_line

if TYPE_CHECKING:
    from ingest.archive.reading import RecordingRow

_UNSAFE = re.compile(r'[/\\:*?"<>|%\x00-\x1f]+')
LONGEST_BYTES = 120  # of the title; systems take 255 for a name


def file_name(recording: RecordingRow, suffix: str) -> str:
    """Return `date title [id].suffix`."""
    day = f"{recording.published_at:%Y-%m-%d} " if recording.published_at else ""
    title = _UNSAFE.sub(" ", outgoing.line(recording.title or ""))
    short = title.encode(errors="replace")[:LONGEST_BYTES].decode(errors="ignore")
    name = one_line(f"{day}{short.strip(' .-~')} [{recording.video_id}]")
    return f"{name}.{suffix}"
