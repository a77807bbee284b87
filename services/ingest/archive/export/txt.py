"""Plain text: a paragraph for each passage, with its time and speaker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.archive.export.form import Format, clock, one_line, written

if TYPE_CHECKING:
    from ingest.archive.export.cues import Rules
    from ingest.archive.export.document import Document


def write(document: Document, _rules: Rules) -> str:
    """Return a recording as plain text."""
    paragraphs = [one_line(document.title)]
    for passage in document.passages:
        speaker = f"{one_line(passage.speaker)}: " if passage.speaker else ""
        paragraphs.append(f"[{clock(passage.start_s)}] {speaker}{one_line(passage.text)}")
    return "\n\n".join(paragraphs) + "\n"


FORMAT = Format("txt", "txt", "text/plain", written(write), joins=True)
