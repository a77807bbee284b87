"""`ingest export`: transcripts as files. What is left out is named with its reason."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from itertools import chain
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO, cast

from ingest.archive.export import names
from ingest.archive.export.document import CITED, NO_WORDS, load, with_vectors
from ingest.archive.export.registry import FORMATS
from ingest.archive.reading import OLDEST, Reading
from ingest.cli import console, streams
from ingest.cli.transcripts.undated import print_undated
from ingest.embedder.tables.catalog import Catalog
from ingest.shared import outgoing
from ingest.shared.artifacts.files import opened_atomically
from ingest.shared.errors import ConfigurationError
from ingest.shared.homes.chosen import volume_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ingest.archive.export.cues import Rules
    from ingest.archive.export.document import Document
    from ingest.archive.export.form import Format
    from ingest.archive.reading import Listing, RecordingRow
    from ingest.cli.local.state_folder import Archive

PAGE = 200
TIMED = ("vtt", "srt", "podcast")  # formats that need the times of words


@dataclass(frozen=True)
class Choice:
    """The recordings to export: ids, or a listing."""

    videos: tuple[str, ...] = ()
    listing: Listing | None = None


@dataclass(frozen=True)
class Target:
    """A format and a path: of a file, of a folder (`is_folder`), or None for standard output; with vectors or not.

    The path of a pipe or a device (`is_stream`) is written to, and stays what it is.
    """

    form: Format
    path: Path | None
    is_folder: bool
    vectors: bool = False

    @property
    def is_stream(self) -> bool:
        """Whether the path is that of a pipe or a device."""
        return self.path is not None and self.path.exists() and not (self.path.is_file() or self.path.is_dir())


@dataclass
class Result:
    """The number of written recordings, the reasons of those left out by id, and remarks about others."""

    written: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)


def target(form: str | None, to: Path | None, *, vectors: bool = False) -> Target:
    """Return where to write and how; raise ConfigurationError for a format that is unknown or cannot be written."""
    is_folder = to is not None and (to.is_dir() or not (to.suffix or to.exists()))
    form = form or (_format_of(to.name) if to is not None and not is_folder else "txt")
    if form not in FORMATS:
        raise ConfigurationError(f"there is no format {form!r}; the formats are {', '.join(FORMATS)}")
    chosen = FORMATS[form]
    if chosen.missing is not None:
        raise ConfigurationError(chosen.missing)
    if vectors and chosen.is_text:
        raise ConfigurationError(f"a {form} file has no vectors: --vectors needs --format parquet")
    if not chosen.is_text and to is None and console.out.is_terminal:
        raise ConfigurationError(f"a {form} file is not for a terminal: name a file by --to FILE.{chosen.suffix}")
    return Target(chosen, to, is_folder, vectors)


def _format_of(file_name: str) -> str:
    found = [name for name, known in FORMATS.items() if file_name.endswith(f".{known.suffix}")]
    if not found:
        raise ConfigurationError(f"{file_name}: no format has this suffix; name one by --format: {', '.join(FORMATS)}")
    longest: str = max(found, key=lambda name: len(FORMATS[name].suffix))
    return longest


def export(archive: Archive, choice: Choice, to: Target, rules: Rules) -> Result:
    """Write the chosen recordings; raise ConfigurationError when several do not fit into one file."""
    reading, volume, result = Reading(archive.database), volume_of(archive.settings), Result()
    rows = list(_rows(reading, choice, result))
    if len(rows) > 1 and not to.is_folder and not to.form.joins:
        text = f"{len(rows)} recordings do not fit into one {to.form.name} file: name a folder by --to FOLDER/"
        raise ConfigurationError(text)
    loaded = (load(reading, volume, row, cited=to.form.name == CITED) for row in rows)
    documents = _documents(loaded, to, rules, result)
    if to.vectors:
        documents = (with_vectors(document, reading) for document in documents)
    if to.is_folder and to.path is not None:
        for document in documents:
            _put_into(to.path, document, to.form, rules)
    else:
        _put_together(documents, to, rules)
    return result


def _documents(loaded: Iterable[Document], to: Target, rules: Rules, result: Result) -> Iterator[Document]:
    """Yield the recordings that the format can hold; note the others."""
    for document in loaded:
        shown = document if rules.labels else document.without_speakers()
        video_id = document.recording.video_id
        lacking = to.form.lacks(shown)
        if lacking is not None:
            result.left_out[video_id] = lacking
            continue
        if to.form.name in TIMED and document.lacks_words:
            result.remarks[video_id] = NO_WORDS
        result.written += 1
        yield shown


def _put_into(folder: Path, document: Document, form: Format, rules: Rules) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with opened_atomically(folder.resolve() / names.file_name(document.recording, form.suffix)) as file:
        form.put([document], rules, file)


def _put_together(documents: Iterator[Document], to: Target, rules: Rules) -> None:
    """Write recordings into the one file, or to standard output; nothing where there are none."""
    first = next(documents, None)
    if first is None:
        return
    every = chain([first], documents)
    if to.path is not None and not to.is_stream:
        to.path.resolve().parent.mkdir(parents=True, exist_ok=True)
        with opened_atomically(to.path.resolve()) as file:
            to.form.put(every, rules, file)
    elif to.form.is_text and to.path is None:
        to.form.put(every, rules, cast("BinaryIO", streams.Utf8Output()))
    else:
        with TemporaryFile() as file:  # it is written with jumps, which a pipe cannot make
            to.form.put(every, rules, file)
            file.seek(0)
            _copy(file, to.path)


def _copy(file: BinaryIO, stream: Path | None) -> None:
    """Write a file to a pipe or a device, or to standard output."""
    if stream is None:
        streams.copy_to_output(file)
        return
    with stream.open("wb") as opened:
        shutil.copyfileobj(file, opened)


def _rows(reading: Reading, choice: Choice, result: Result) -> Iterator[RecordingRow]:
    """Yield the chosen recordings that have a transcript; note the others."""
    if choice.listing is not None:
        yield from _listed(reading, choice.listing)
        if choice.listing.since is not None:
            print_undated(Catalog(reading.database).undated())
    for video in dict.fromkeys(choice.videos):
        row = reading.recording(video)
        if row is None:
            result.left_out[video] = "the archive has no such video"
        elif row.state != "indexed" and not row.passages:
            result.left_out[video] = f"it has no transcript: it is {row.state}; see `ingest status {video}`"
        else:
            yield row


def _listed(reading: Reading, listing: Listing) -> Iterator[RecordingRow]:
    while True:
        rows = reading.recordings(replace(listing, limit=PAGE))
        yield from rows
        if len(rows) < PAGE:
            return
        listing = replace(listing, after=(rows[-1].published_at or OLDEST, rows[-1].video_id))


def print_result(result: Result, to: Target) -> None:
    """Name what was left out, and what differs, on standard error."""
    for video, remark in result.remarks.items():
        console.err.print(f"{outgoing.line(video)}: {remark}")
    for video, reason in result.left_out.items():
        console.err.print(f"left out: {outgoing.line(video)}: {reason}")
    if to.path is not None:
        console.err.print(f"{result.written} recordings written to {to.path}, {len(result.left_out)} left out")
    elif not result.written and not result.left_out:
        console.err.print("no recording matches")
