"""`ingest show`: a transcript to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from ingest.archive.export import own_json
from ingest.archive.export.document import Document, load
from ingest.archive.reading import Reading
from ingest.cli import console
from ingest.embedder import overlap
from ingest.shared import outgoing
from ingest.shared.artifacts.captions import CAPTIONED
from ingest.shared.errors import ConfigurationError
from ingest.shared.homes.chosen import volume_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from ingest.cli.local.state_folder import Archive

WIDEST = 100  # columns that are easy to read
UNKNOWN = "?"


def read(archive: Archive, video: str) -> Document:
    """Return a recording; raise ConfigurationError when the archive has no transcript of it."""
    reading = Reading(archive.database)
    row = reading.recording(video)
    if row is None:
        raise ConfigurationError(f"the archive has no video {video}")
    document = load(reading, volume_of(archive.settings), row)
    if not document.passages and row.state != "indexed":
        raise ConfigurationError(f"{video} has no transcript: it is {row.state}; see `ingest status {video}`")
    return document


def print_document(document: Document, *, as_json: bool) -> None:
    """Print a recording; on a terminal, in a pager."""
    if as_json:
        console.print_json(own_json.content(document))
        return
    shown = Group(*_parts(document))
    if console.out.is_terminal:
        with console.out.pager():
            console.out.print(shown, width=min(WIDEST, console.out.width), soft_wrap=False)
    else:
        console.out.print(shown)


def _parts(document: Document) -> Iterator[RenderableType]:
    recording = document.recording
    yield Text(outgoing.line(document.title), style="bold")
    day = f"{recording.published_at:%Y-%m-%d}" if recording.published_at else None
    length = console.clock(recording.duration_s) if recording.duration_s else None
    about = ", ".join(filter(None, (recording.channel, day, length, recording.language)))
    if about:
        yield Text(outgoing.line(about), style="dim")
    address = document.link(0)
    if address:
        yield Text(address, style="blue")
    if not document.passages:
        yield Text("\nno speech was found")
    elif CAPTIONED in document.passages[0].flags:
        yield Text("the words are those of captions, which were not recognised from the audio", style="dim")
    has_speakers = any(passage.speaker for passage in document.passages)
    before: str | None = ""
    for passage in document.passages:
        if has_speakers and passage.speaker != before:
            yield Text(f"\n{outgoing.line(passage.speaker or UNKNOWN)}", style="bold")
        before = passage.speaker
        time = Text(f"{console.clock(passage.start_s):>8}  ", style="cyan")
        others = overlap.said(passage.also_speaking)
        mark = Text(f"  ({outgoing.line(others)})" if others else "", style="dim")
        yield time + Text(outgoing.line(passage.text)) + mark
