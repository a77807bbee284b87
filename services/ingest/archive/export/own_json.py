"""JSON with all that the archive holds of a recording; docs/export.md describes it."""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from ingest.archive.export.form import Format, written

if TYPE_CHECKING:
    from ingest.archive.export.cues import Rules
    from ingest.archive.export.document import Document

VERSION = 1


def content(document: Document) -> dict[str, Any]:
    """Return a recording as what JSON can hold."""
    recording = document.recording
    return {
        "format": "ingest-recording",
        "version": VERSION,
        "recording": {
            "id": recording.video_id,
            "title": recording.title,
            "channel": recording.channel,
            "published_at": recording.published_at.isoformat() if recording.published_at else None,
            "duration_s": recording.duration_s,
            "language": recording.language,
            "link": document.link(0),
        },
        "speakers": _speakers(document),
        "passages": [
            {
                "start_s": passage.start_s,
                "end_s": passage.end_s,
                "speaker": passage.speaker,
                "score": passage.score,
                "named_by": passage.named_by,
                "is_overlap": passage.is_overlap,
                "also_speaking": list(passage.also_speaking),
                "flags": list(passage.flags),
                "text": passage.text,
                "link": document.link(passage.start_s),
                "words": [word.model_dump() for word in words],
                "citation": citation,
            }
            for passage, words, citation in zip_longest(document.passages, document.words, document.citations)
        ],
        "turns": [
            turn.model_dump(include={"start_s", "end_s", "speaker", "cluster", "score", "margin"})
            for turn in document.turns
        ],
    }


def _speakers(document: Document) -> list[dict[str, Any]]:
    seconds: dict[str, float] = {}
    for passage in document.passages:
        if passage.speaker is not None:
            seconds[passage.speaker] = seconds.get(passage.speaker, 0.0) + passage.end_s - passage.start_s
    longest_first = sorted(seconds.items(), key=lambda item: (-item[1], item[0]))
    return [{"speaker": speaker, "seconds": round(spoken_s, 3)} for speaker, spoken_s in longest_first]


def write(document: Document, _rules: Rules) -> str:
    """Return a recording as JSON."""
    return json.dumps(content(document), ensure_ascii=False, indent=2) + "\n"


FORMAT = Format("json", "json", "application/json", written(write))
