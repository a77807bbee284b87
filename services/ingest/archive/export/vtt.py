"""WebVTT (https://www.w3.org/TR/webvtt1/), with the speaker of each cue as a voice span."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.archive.export.cues import Cue, Rules, cues
from ingest.archive.export.form import Format, one_line, written

if TYPE_CHECKING:
    from ingest.archive.export.document import Document


def write(document: Document, rules: Rules) -> str:
    """Return a recording as WebVTT."""
    blocks = [
        f"{number}\n{_time(cue.start_s)} --> {_time(cue.end_s)}\n{_text(cue)}\n"
        for number, cue in enumerate(cues(document, rules), 1)
    ]
    return "\n".join(["WEBVTT\n", f"NOTE {_escaped(one_line(document.title))}\n", *blocks])


def _text(cue: Cue) -> str:
    text = "\n".join(map(_escaped, cue.lines))
    return f"<v {_escaped(cue.speaker)}>{text}</v>" if cue.speaker else text


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(seconds: float) -> str:
    total_ms = round(seconds * 1000)
    minutes, rest_ms = divmod(total_ms, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest_ms // 1000:02}.{rest_ms % 1000:03}"


FORMAT = Format("vtt", "vtt", "text/vtt", written(write))
