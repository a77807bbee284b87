"""Turns answers of the archive into answers of tools: each part with its citation, long texts cut between passages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.archive.agents import answers
from ingest.archive.agents.answers import Citation
from ingest.shared.links import link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.archive.agents.inputs import Part
    from ingest.archive.reading import ExampleRow
    from ingest.archive.web import shapes

MOST_LETTERS = 40_000  # of the texts in an answer: about an hour of speech
MINUTE_S = 60


def result(hit: shapes.Hit) -> answers.Result:
    """Return a passage that answers a question."""
    return answers.Result(
        id=f"{hit.recording}:{hit.index}",
        title=heading(hit.title or hit.recording, hit.start_s, hit.speaker),
        url=hit.link,
        text=hit.text,
        citation=_citation(
            hit.recording, hit.title, hit.link, hit.start_s, (hit.speaker, hit.speaker_score)
        ).model_copy(update={"token": hit.citation}),
    )


def recording(item: shapes.Recording) -> answers.Recording:
    """Return a recording of a list. Its citation is its beginning."""
    fields = {name: getattr(item, name) for name in answers.Recording.model_fields if hasattr(item, name)}
    return answers.Recording(**fields, citation=of_recording(item))


def of_recording(item: shapes.Recording) -> Citation:
    """Return the citation of a whole recording."""
    return _citation(item.id, item.title, item.link, 0.0, (None, None))


def of_passage(transcript: shapes.Transcript, passage: shapes.Passage) -> Citation:
    """Return the citation of a passage."""
    voice = (passage.speaker, passage.score)
    found = _citation(transcript.id, transcript.title, passage.link, passage.start_s, voice)
    return found.model_copy(update={"token": passage.citation})


def of_example(row: ExampleRow) -> Citation:
    """Return the citation of the passage that stands for a speaker."""
    address = link(row.source_kind, row.source_url, row.start_s)
    return _citation(row.video_id, row.title, address, row.start_s, (row.speaker, row.score))


def _citation(
    video_id: str, title: str | None, address: str | None, second: float, voice: tuple[str | None, float | None]
) -> Citation:
    return Citation(
        recording=video_id, title=title, second=second, speaker=voice[0], speaker_score=voice[1], link=address
    )


def document(
    recording: shapes.RecordingDetail, wanted: str, passages: Sequence[shapes.Passage], citation: Citation
) -> answers.Document:
    """Return the text of passages of a recording, as far as an answer may be long."""
    shown, continues_s = fitting(passages)
    return answers.Document(
        id=wanted,
        title=heading(recording.title or recording.id, citation.second, citation.speaker),
        text="\n".join(heading("", passage.start_s, passage.speaker) + f": {passage.text}" for passage in shown),
        url=citation.link or "",
        metadata=answers.Metadata(
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
