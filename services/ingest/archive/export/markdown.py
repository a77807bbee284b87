"""Markdown: a heading, what is known of the recording, and its passages with links to their seconds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingest.archive.export.form import Format, clock, one_line, written

if TYPE_CHECKING:
    from ingest.archive.export.cues import Rules
    from ingest.archive.export.document import Document

_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~&!])")
_LIST = re.compile(r"^(\d+)([.)]|$)|^([-+=])")  # at the beginning of a line: a list, or a rule


def write(document: Document, _rules: Rules) -> str:
    """Return a recording as Markdown."""
    recording = document.recording
    facts = (
        recording.channel and escaped(recording.channel),
        recording.published_at and f"{recording.published_at:%Y-%m-%d}",
        recording.duration_s and clock(recording.duration_s),
    )
    parts = [f"# {escaped(document.title)}"]
    about = ", ".join(fact for fact in facts if fact)
    if about:
        parts.append(about)
    for passage in document.passages:
        time = _linked(clock(passage.start_s), document.link(passage.start_s))
        speaker = f" **{escaped(passage.speaker)}**" if passage.speaker else ""
        parts.append(f"{time}{speaker}\n{escaped(passage.text)}")
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Return a text as Markdown that shows it as it is."""
    marked = _MARKS.sub(r"\\\1", one_line(text))
    return _LIST.sub(lambda found: f"{found[1]}\\{found[2]}" if found[1] and found[2] else f"\\{found[0]}", marked)


def _linked(text: str, url: str | None) -> str:
    if url is None:
        return text
    return f"[{text}](<{url.replace('<', '%3C').replace('>', '%3E')}>)"


FORMAT = Format("md", "md", "text/markdown", written(write), joins=True)
