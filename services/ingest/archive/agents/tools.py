"""The tools: a table of their names, arguments and answers, and functions. None depends on the protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.archive.agents import answers, citations, inputs
from ingest.archive.web.inputs import Input, RecordingsInput, SearchInput, TranscriptInput, check
from ingest.archive.web.problems import NOT_FOUND, ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ingest.archive.web import shapes
    from ingest.archive.web.library import Library

AROUND = 2  # passages before and after the one that is fetched


@dataclass(frozen=True)
class Tool:
    """A tool: its arguments, its answer, and its function."""

    name: str
    title: str
    description: str
    arguments: type[Input]
    answer: type[shapes.Shape]
    call: Callable[[Library, Any], shapes.Shape]


def run(library: Library, tool: Tool, arguments: Mapping[str, object]) -> shapes.Shape:
    """Return the answer of a tool; raise ProblemError for wrong arguments, and where the archive cannot answer."""
    return tool.call(library, check(tool.arguments, arguments))


def search(library: Library, wanted: inputs.Search) -> answers.Results:
    """Return the passages that answer a question."""
    question = SearchInput(q=wanted.query, citations=True, **wanted.model_dump(exclude={"query"}, by_alias=True))
    return answers.Results(results=tuple(map(citations.result, library.search(question).results)))


def fetch(library: Library, wanted: inputs.Fetch) -> answers.Document:
    """Return the text of a recording, or of a passage with those around it."""
    video_id, colon, number = wanted.id.partition(":")
    recording = library.recording(video_id)
    transcript = library.transcript(video_id, TranscriptInput(citations=bool(colon)))
    if not colon:
        return citations.document(recording, wanted.id, transcript.passages, citations.of_recording(recording))
    found = [passage for passage in transcript.passages if passage.index == int(number)]
    if not found:
        raise ProblemError(NOT_FOUND, f"recording {video_id} has no passage {number}")
    near = [passage for passage in transcript.passages if abs(passage.index - found[0].index) <= AROUND]
    return citations.document(recording, wanted.id, near, citations.of_passage(transcript, found[0]))


def list_recordings(library: Library, wanted: RecordingsInput) -> answers.Recordings:
    """Return a page of the list of recordings."""
    found = library.recordings(wanted)
    return answers.Recordings(recordings=tuple(map(citations.recording, found.recordings)), next=found.next)


def transcript_of(library: Library, wanted: inputs.Part) -> answers.Transcript:
    """Return the passages of a part of a recording."""
    transcript = library.transcript(wanted.recording, TranscriptInput())
    shown, continues_s = citations.fitting(citations.within(transcript.passages, wanted))
    return answers.Transcript(
        recording=transcript.id,
        title=transcript.title,
        passages=tuple(
            answers.Passage(
                **passage.model_dump(include={"start_s", "end_s", "text", "is_overlap", "also_speaking", "flags"}),
                citation=citations.of_passage(transcript, passage),
            )
            for passage in shown
        ),
        continues_s=continues_s,
    )


def who_speaks(library: Library, wanted: inputs.Part) -> answers.Voices:
    """Return the speakers of a part of a recording."""
    transcript = library.transcript(wanted.recording, TranscriptInput())
    spoken: dict[str | None, list[shapes.Passage]] = {}
    for passage in citations.within(transcript.passages, wanted):
        spoken.setdefault(passage.speaker, []).append(passage)
    seconds = {
        speaker: sum(citations.overlap_s(passage, wanted) for passage in said) for speaker, said in spoken.items()
    }
    total_s = sum(seconds.values()) or 1.0
    voices = [
        answers.Voice(
            speaker=speaker,
            seconds=seconds[speaker],
            share=seconds[speaker] / total_s,
            passages=len(said),
            citation=citations.of_passage(transcript, said[0]),
        )
        for speaker, said in spoken.items()
    ]
    voices.sort(key=lambda voice: -voice.seconds)
    return answers.Voices(recording=transcript.id, title=transcript.title, speakers=tuple(voices))


def speakers(library: Library, wanted: inputs.Speakers) -> answers.Speakers:
    """Return the named speakers of the archive."""
    found = library.speakers()
    shown = found.speakers[: wanted.limit]
    rows = library.reading.examples([speaker.speaker for speaker in shown])
    examples = {row.speaker: citations.of_example(row) for row in rows}
    return answers.Speakers(
        speakers=tuple(
            answers.Speaker(**speaker.model_dump(), citation=examples[speaker.speaker])
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
            inputs.Search,
            answers.Results,
            search,
        ),
        Tool(
            "fetch",
            "Read a result",
            "Return the text around a passage that `search` found, or the transcript of a recording (a long one up to "
            "`continues_s`). Each line has its time and its speaker.",
            inputs.Fetch,
            answers.Document,
            fetch,
        ),
        Tool(
            "list_recordings",
            "List recordings",
            "List the recordings of the archive, the latest first: title, channel, date, length and state. Filters: "
            "speaker, channel, dates, language and state.",
            RecordingsInput,
            answers.Recordings,
            list_recordings,
        ),
        Tool(
            "transcript",
            "Read a transcript",
            "Return the passages of a recording between two seconds, with their speakers. A long part continues at "
            "`continues_s`.",
            inputs.Part,
            answers.Transcript,
            transcript_of,
        ),
        Tool(
            "who_speaks",
            "Who speaks",
            "Return who speaks in a recording, or between two of its seconds, and how long.",
            inputs.Part,
            answers.Voices,
            who_speaks,
        ),
        Tool(
            "speakers",
            "List speakers",
            "List the named speakers of the archive: how long each speaks, and in how many recordings.",
            inputs.Speakers,
            answers.Speakers,
            speakers,
        ),
    )
}
