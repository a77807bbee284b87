"""Turns answers of the archive into answers of tools: each part with its citation, long texts cut between passages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.archive.agents import told
from ingest.archive.web.shapes import Citation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.archive.agents.asked import Part
    from ingest.archive.web import shapes

MOST_LETTERS = 40_000  # of the texts in an answer: about an hour of speech
MINUTE_S = 60


def result(hit: shapes.Hit) -> told.Result:
    """Return a passage that answers a question."""
    citation = Citation(
        recording=hit.recording,
        title=hit.title,
        second=hit.start_s,
        speaker=hit.speaker,
        speaker_score=hit.speaker_score,
        link=hit.link,
    )
    return told.Result(
        id=f"{hit.recording}:{hit.index}",
        title=heading(hit.title or hit.recording, hit.start_s, hit.speaker),
        url=hit.link,
        text=hit.text,
        citation=citation,
    )


def listed(recording: shapes.Recording) -> told.Listed:
    """Return a recording of a list. Its citation is its beginning."""
    fields = {name: getattr(recording, name) for name in told.Listed.model_fields if hasattr(recording, name)}
    return told.Listed(**fields, citation=beginning(recording))


def beginning(recording: shapes.Recording) -> Citation:
    """Return the citation of a whole recording."""
    return Citation(
        recording=recording.id,
        title=recording.title,
        second=0.0,
        speaker=None,
        speaker_score=None,
        link=recording.link,
    )


def cited(transcript: shapes.Transcript, passage: shapes.Passage) -> Citation:
    """Return the citation of a passage."""
    return Citation(
        recording=transcript.id,
        title=transcript.title,
        second=passage.start_s,
        speaker=passage.speaker,
        speaker_score=passage.score,
        link=passage.link,
    )


def document(
    recording: shapes.RecordingDetail, wanted: str, passages: Sequence[shapes.Passage], citation: Citation
) -> told.Document:
    """Return the text of passages of a recording, as far as an answer may be long."""
    shown, continues_s = fitting(passages)
    return told.Document(
        id=wanted,
        title=heading(recording.title or recording.id, citation.second, citation.speaker),
        text="\n".join(heading("", passage.start_s, passage.speaker) + f": {passage.text}" for passage in shown),
        url=citation.link or "",
        metadata=told.Metadata(
            recording=recording.id,
            channel=recording.channel,
            published_at=recording.published_at,
            language=recording.language,
            duration_s=recording.duration_s,
            from_s=shown[0].start_s if shown else 0.0,
            to_s=shown[-1].end_s if shown else 0.0,
            continues_s=continues_s,
        ),
        citation=citation,
    )


def heading(title: str, second: float, speaker: str | None) -> str:
    """Return a title with a time and a speaker, as `Harbor Talks, 1:02:03, Ada`."""
    minutes, seconds = divmod(int(second), MINUTE_S)
    hours, minutes = divmod(minutes, MINUTE_S)
    clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return ", ".join(filter(None, (title, clock, speaker)))


def within(passages: Sequence[shapes.Passage], part: Part) -> list[shapes.Passage]:
    """Return the passages of a part of a recording."""
    return [
        passage
        for passage in passages
        if passage.start_s < part.to and (passage.end_s > part.from_ or passage.start_s >= part.from_)
    ]


def overlap_s(passage: shapes.Passage, part: Part) -> float:
    """Return how many seconds of a passage are in a part of its recording."""
    return max(0.0, min(passage.end_s, part.to) - max(passage.start_s, part.from_))


def fitting(passages: Sequence[shapes.Passage]) -> tuple[list[shapes.Passage], float | None]:
    """Return the first passages, as many as an answer may have, and the second at which the next one begins."""
    shown: list[shapes.Passage] = []
    letters = 0
    for passage in passages:
        letters += len(passage.text)
        if shown and letters > MOST_LETTERS:
            return shown, passage.start_s
        shown.append(passage)
    return shown, None
