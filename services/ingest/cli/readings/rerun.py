"""`ingest rerun`: recognises recordings of the archive again, and goes back to the reading before.

The old passages stay readable until those of the new run take their place. The transcript that it replaces is kept as
the earlier reading, for `--back`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ingest.asr.device import device_of
from ingest.asr.recognition import model_files, whisper
from ingest.asr.recognition.build import recognizer_options
from ingest.cli import console
from ingest.cli.runs import run as runs
from ingest.cli.transcripts.correct import rebuilder_of
from ingest.embedder.tables.catalog import Catalog
from ingest.shared import outgoing
from ingest.shared.artifacts import transcript, vocabulary
from ingest.shared.artifacts.captions import KEY_PREFIX
from ingest.shared.errors import Code, IngestError
from ingest.shared.homes.chosen import volume_of
from ingest.shared.video_state import VideoState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ingest.cli.local.state_folder import Archive, Connections
    from ingest.cli.runs.run import RunResult
    from ingest.cli.settings import AllSettings
    from ingest.embedder.postgres.database import Database
    from ingest.embedder.tables.catalog import VideoRow
    from ingest.shared.artifacts.volume import Manifest, Volume

SHA256_LENGTH = 64


@dataclass(frozen=True)
class Choice:
    """Which recordings are recognised again: those named, or those of a channel, changed ones, or all.

    Changed ones are those that another recognizer, or one with another vocabulary, has read.
    """

    videos: tuple[str, ...] = ()
    channel: str | None = None
    changed: bool = False
    limit: int | None = None


@dataclass(frozen=True)
class Foreseen:
    """What a run would do: recordings, the seconds of their audio, and how many of them are downloaded again."""

    videos: tuple[str, ...]
    audio_s: float
    downloads: int


@dataclass(frozen=True)
class WayBack:
    """A recording that has its earlier reading again; `trouble` is why it has not, else empty."""

    video_id: str
    model: str = ""
    trouble: str = ""


def chosen(settings: AllSettings, catalog: Catalog, choice: Choice) -> list[VideoRow]:
    """Return the recordings of a choice; raise ConfigurationError for a video that the archive does not have."""
    rows: Iterable[VideoRow]
    if choice.videos:
        rows = catalog.named(choice.videos)
    else:
        rows = catalog.each(states=[VideoState.INDEXED])
        rows = (row for row in rows if choice.channel is None or row.channel == choice.channel)
    if choice.changed:
        rows = _changed(settings, rows)
    return list(islice(rows, choice.limit))


def _changed(settings: AllSettings, rows: Iterable[VideoRow]) -> Iterator[VideoRow]:
    """Yield the recordings whose transcript another recognizer has made, or one with another vocabulary."""
    volume = volume_of(settings)
    key = whisper.key_of(recognizer_options(settings, device_of(settings.asr_device)))
    for row in rows:
        known, manifest = row.as_record(), volume.manifest(row.video_id, "transcript")
        if known.source is None:
            continue
        wanted = vocabulary.read(volume.home, known.source, known.metadata).key(key)
        if manifest is None or not _is_made_by(manifest, wanted):
            yield row


def _is_made_by(manifest: Manifest, key: str) -> bool:
    """Return whether a transcript is made by a recognizer; its origin begins with the checksum of the audio."""
    made_by = manifest.origin[SHA256_LENGTH + 1 :]
    if made_by.startswith(KEY_PREFIX):  # its words are those of captions
        return True
    return made_by == key or made_by.startswith(f"{key}:")


def foreseen(settings: AllSettings, database: Database, choice: Choice) -> Foreseen:
    """Return what a run of recordings would do."""
    volume, rows = volume_of(settings), chosen(settings, Catalog(database), choice)
    downloads = sum(volume.stored(row.video_id, "audio") is None for row in rows)
    return Foreseen(tuple(row.video_id for row in rows), sum(row.duration_s or 0.0 for row in rows), downloads)


def rerun(settings: AllSettings, choice: Choice, *, quiet: bool) -> RunResult:
    """Recognise recordings again: with services of this process, or where others run, by requesting them there.

    A model of this process that cannot be had is named before any recording is requested.
    """
    if settings.is_local:
        model = model_files.model_name(settings.asr_model, settings.asr_device)
        model_files.locate(model, revision=settings.asr_revision)

    def choose(connections: Connections) -> list[VideoRow]:
        return chosen(connections.settings, connections.catalog, choice)

    return runs.repeat(settings, choose, quiet=quiet)


def back(archive: Archive, videos: Sequence[str]) -> list[WayBack]:
    """Give recordings their earlier reading again. The present one becomes the earlier one.

    Raise ConfigurationError for a video that the archive does not have.
    """
    volume, rebuilder = volume_of(archive.settings), rebuilder_of(archive)
    found = []
    for row in Catalog(archive.database).named(videos):
        try:
            earlier = _earlier(volume, row.video_id)
            content = transcript.read(volume.verified(earlier.artifact, patience_s=0))
            rebuilder.rebuild(row.video_id, content)
            volume.go_back(row.video_id)
            found.append(WayBack(row.video_id, content.model_key))
        except IngestError as error:
            if error.code.startswith("ENV_"):
                raise
            found.append(WayBack(row.video_id, trouble=error.message))
    return found


def _earlier(volume: Volume, video_id: str) -> Manifest:
    manifest = volume.manifest(video_id, "before")
    if manifest is None:
        raise IngestError(Code.ARTIFACT_MISSING, "no earlier reading is kept")
    return manifest


def print_foreseen(found: Foreseen, *, as_json: bool) -> None:
    """Print what a run would do."""
    if as_json:
        console.print_json(found)
        return
    text = f"{len(found.videos)} recordings, {console.hours(found.audio_s)} of audio, would be recognised again"
    console.out.print(text + (f"; {found.downloads} of them are downloaded again" if found.downloads else ""))


def print_back(found: Sequence[WayBack], *, as_json: bool) -> None:
    """Print which recordings have their earlier reading."""
    if as_json:
        console.print_json(found)
        return
    for one in found:
        text = f"left as it was: {one.trouble}" if one.trouble else f"as it was read by {one.model}"
        console.out.print(outgoing.line(f"{one.video_id}  {text}"), markup=False)
