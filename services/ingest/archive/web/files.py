"""Gives transcripts as files, in the formats of `ingest export`."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from ingest.archive.export import names
from ingest.archive.export.cues import Rules
from ingest.archive.export.document import CITED, load, with_vectors
from ingest.archive.export.registry import FORMATS
from ingest.archive.web.problems import NO_FILE, ProblemError

if TYPE_CHECKING:
    from ingest.archive.web.inputs import ExportInput
    from ingest.archive.web.library import Library


@dataclass(frozen=True)
class File:
    """A file that a browser saves under its name."""

    name: str
    media_type: str
    content: bytes

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that name it."""
        return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(self.name, safe='')}"}


def export(library: Library, video_id: str, asked: ExportInput) -> File:
    """Return the transcript of a recording as a file; raise ProblemError where the format needs what it lacks."""
    form, row = FORMATS[asked.format], library.row(video_id)
    document = load(library.reading, library.volume, row, cited=form.name == CITED)
    if not document.passages and row.state != "indexed":
        raise ProblemError(NO_FILE, "it has no transcript yet")
    document = document if asked.speakers else document.without_speakers()
    lacking = form.missing or form.lacks(document)
    if lacking is not None:
        raise ProblemError(NO_FILE, lacking)
    if asked.vectors and not form.is_text:
        document = with_vectors(document, library.reading)
    file = io.BytesIO()
    form.put([document], Rules(labels=asked.speakers), file)
    return File(names.file_name(row, form.suffix), form.media_type, file.getvalue())
