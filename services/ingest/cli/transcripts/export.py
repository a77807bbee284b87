"""`ingest export`: transcripts as files. What is left out is named with its reason."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ingest.archive.export import names
from ingest.archive.export.document import NO_WORDS, load
from ingest.archive.export.registry import FORMATS
from ingest.archive.reading import OLDEST, Reading
from ingest.cli import console
from ingest.shared import outgoing
from ingest.shared.artifacts.volume import Volume, write_atomically
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    """A format and a path: of a file, of a folder (`is_folder`), or None for standard output."""

    form: Format
    path: Path | None
    is_folder: bool


@dataclass
class Result:
    """The number of written recordings, the reasons of those left out by id, and remarks about others."""

    written: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)


def target(form: str | None, to: Path | None) -> Target:
    """Return where to write and how; raise ConfigurationError for an unknown format."""
    is_folder = to is not None and (to.is_dir() or not to.suffix)
    by_suffix = {known.suffix: name for name, known in FORMATS.items()}
    if form is None and to is not None and not is_folder:
        found = [name for suffix, name in by_suffix.items() if to.name.endswith(f".{suffix}")]
        if not found:
            raise ConfigurationError(
                f"{to.name}: no format has this suffix; name one by --format: {', '.join(FORMATS)}"
            )
        form = max(found, key=lambda name: len(FORMATS[name].suffix))
    form = form or "txt"
    if form not in FORMATS:
        raise ConfigurationError(f"there is no format {form!r}; the formats are {', '.join(FORMATS)}")
    return Target(FORMATS[form], to, is_folder)


def export(archive: Archive, choice: Choice, to: Target, rules: Rules) -> Result:
    """Write the chosen recordings; raise ConfigurationError when several do not fit into one file."""
    reading, volume, result = Reading(archive.database), Volume(archive.settings.volume), Result()
    rows = list(_rows(reading, choice, result))
    if len(rows) > 1 and not to.is_folder and not to.form.joins:
        text = f"{len(rows)} recordings do not fit into one {to.form.name} file: name a folder by --to FOLDER/"
        raise ConfigurationError(text)
    parts: list[str] = []
    for row in rows:
        document = load(reading, volume, row)
        if not rules.labels:
            document = document.without_speakers()
        missing = to.form.lacks(document)
        if missing is not None:
            result.left_out[row.video_id] = missing
            continue
        if to.form.name in TIMED and document.lacks_words:
            result.remarks[row.video_id] = NO_WORDS
        _put(document, to, rules, parts)
        result.written += 1
    if parts and to.path is not None:
        write_atomically(to.path.resolve(), "".join(parts).encode())
    return result


def _put(document: Document, to: Target, rules: Rules, parts: list[str]) -> None:
    """Write a recording into its file or to standard output, or add it to the parts of the one file."""
    text = outgoing.printable(to.form.write(document.printable(), rules))
    if to.is_folder and to.path is not None:
        to.path.mkdir(parents=True, exist_ok=True)
        path = to.path.resolve() / names.file_name(document.recording, to.form.suffix)
        write_atomically(path, (to.form.header + text).encode())
    elif to.path is not None:
        parts.append(text if parts else to.form.header + text)
    else:
        console.out.file.write(text if parts else to.form.header + text)
        parts[:] = [""]


def _rows(reading: Reading, choice: Choice, result: Result) -> Iterator[RecordingRow]:
    """Yield the chosen recordings that have a transcript; note the others."""
    if choice.listing is not None:
        yield from _listed(reading, choice.listing)
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
