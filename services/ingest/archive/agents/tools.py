"""The tools: a table of their names, arguments and answers, and the function of each. It knows no protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.archive.agents import asked, citing, told
from ingest.archive.web import inputs
from ingest.archive.web.problems import NOT_FOUND, ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ingest.archive.web import shapes
    from ingest.archive.web.library import Library

AROUND = 2  # passages before and after the one that is fetched


@dataclass(frozen=True)
class Tool:
    """A tool: what it is asked, what it answers, and its function."""

    name: str
    title: str
    description: str
    asked: type[inputs.Input]
    answer: type[shapes.Shape]
    call: Callable[[Library, Any], shapes.Shape]


def run(library: Library, tool: Tool, arguments: Mapping[str, object]) -> shapes.Shape:
    """Return the answer of a tool; raise ProblemError for wrong arguments, and where the archive cannot answer."""
    return tool.call(library, inputs.check(tool.asked, arguments))


def search(library: Library, wanted: asked.Search) -> told.Results:
    """Return the passages that answer a question."""
    question = inputs.SearchInput(q=wanted.query, **wanted.model_dump(exclude={"query"}, by_alias=True))
    return told.Results(results=tuple(map(citing.result, library.search(question).results)))


def fetch(library: Library, wanted: asked.Fetch) -> told.Document:
    """Return the text of a recording, or of a passage with those around it."""
    video_id, colon, number = wanted.id.partition(":")
    recording = library.recording(video_id)
    transcript = library.transcript(video_id, inputs.TranscriptInput())
    if not colon:
        return citing.document(recording, wanted.id, transcript.passages, citing.beginning(recording))
    found = [passage for passage in transcript.passages if passage.index == int(number)]
    if not found:
        raise ProblemError(NOT_FOUND, f"recording {video_id} has no passage {number}")
    near = [passage for passage in transcript.passages if abs(passage.index - found[0].index) <= AROUND]
    return citing.document(recording, wanted.id, near, citing.cited(transcript, found[0]))


def list_recordings(library: Library, wanted: inputs.RecordingsInput) -> told.Recordings:
    """Return a page of the list of recordings."""
    found = library.recordings(wanted)
    return told.Recordings(recordings=tuple(map(citing.listed, found.recordings)), next=found.next)


def transcript_of(library: Library, wanted: asked.Part) -> told.Transcript:
    """Return the passages of a part of a recording."""
    transcript = library.transcript(wanted.recording, inputs.TranscriptInput())
    shown, continues_s = citing.fitting(citing.within(transcript.passages, wanted))
    return told.Transcript(
        recording=transcript.id,
        title=transcript.title,
        passages=tuple(
            told.Said(
                **passage.model_dump(include={"start_s", "end_s", "text", "is_overlap", "flags"}),
                citation=citing.cited(transcript, passage),
            )
            for passage in shown
        ),
        continues_s=continues_s,
    )


def who_speaks(library: Library, wanted: asked.Part) -> told.Voices:
    """Return the speakers of a part of a recording."""
    transcript = library.transcript(wanted.recording, inputs.TranscriptInput())
    spoken: dict[str | None, list[shapes.Passage]] = {}
    for passage in citing.within(transcript.passages, wanted):
        spoken.setdefault(passage.speaker, []).append(passage)
    seconds = {speaker: sum(citing.overlap_s(passage, wanted) for passage in said) for speaker, said in spoken.items()}
    total_s = sum(seconds.values()) or 1.0
    voices = [
        told.Voice(
            speaker=speaker,
            seconds=seconds[speaker],
            share=seconds[speaker] / total_s,
            passages=len(said),
            citation=citing.cited(transcript, said[0]),
        )
        for speaker, said in spoken.items()
    ]
    voices.sort(key=lambda voice: -voice.seconds)
    return told.Voices(recording=transcript.id, title=transcript.title, speakers=tuple(voices))


def speakers(library: Library, wanted: asked.Speakers) -> told.Speakers:
    """Return the named speakers of the archive."""
    found = library.speakers()
    shown = found.speakers[: wanted.limit]
    examples = library.examples([speaker.speaker for speaker in shown])
    return told.Speakers(
        speakers=tuple(
            told.Known(**speaker.model_dump(), citation=examples[speaker.speaker])
            for speaker in shown
            if speaker.speaker in examples
        ),
        unnamed_s=found.unnamed_s,
    )


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "search",
            "Search what was said",
            "Find passages in an archive of recordings (talks, podcasts, meetings) by meaning and by words. Each "
            "result has the text, its second, its speaker and a link. `fetch` with its id returns its context.",
            asked.Search,
            told.Results,
            search,
        ),
        Tool(
            "fetch",
            "Read a result",
            "Return the text around a passage that `search` found, or the transcript of a recording (a long one up to "
            "`continues_s`). Each line has its time and its speaker.",
            asked.Fetch,
            told.Document,
            fetch,
        ),
        Tool(
            "list_recordings",
            "List recordings",
            "List the recordings of the archive, the latest first: title, channel, date, length and state. Filters: "
            "speaker, channel, dates, language and state.",
            inputs.RecordingsInput,
            told.Recordings,
            list_recordings,
        ),
        Tool(
            "transcript",
            "Read a transcript",
            "Return the passages of a recording between two seconds, with their speakers. A long part continues at "
            "`continues_s`.",
            asked.Part,
            told.Transcript,
            transcript_of,
        ),
        Tool(
            "who_speaks",
            "Who speaks",
            "Return who speaks in a recording, or between two of its seconds, and how long.",
            asked.Part,
            told.Voices,
            who_speaks,
        ),
        Tool(
            "speakers",
            "List speakers",
            "List the named speakers of the archive: how long each speaks, and in how many recordings.",
            asked.Speakers,
            told.Speakers,
            speakers,
        ),
    )
}
