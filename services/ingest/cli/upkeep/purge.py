"""`ingest purge`: deletes files that are no longer needed, or lists them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.upkeep.retention import Audio, Limits, Removal, Stray, audio_to_remove, strays_to_remove
from ingest.downloader.disk_gate import RESUME_BELOW
from ingest.shared.artifacts.home import TEMPORARY_PREFIX
from ingest.shared.artifacts.volume import KINDS, Manifest, Volume
from ingest.shared.homes.chosen import volume_of
from ingest.shared.video_state import VideoState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ingest.cli.local.state_folder import Connections
    from ingest.cli.settings import AllSettings
    from ingest.embedder.tables.catalog import VideoRow
    from ingest.shared.artifacts.home import Entry

    LookUp = Callable[[Sequence[str]], Mapping[str, VideoRow]]

GRACE = timedelta(hours=24)
PAGE = 1000  # folders whose rows are read at a time
LONGEST_JOB_S = 1e9  # the settings allow more, which no date can hold


def purge(connections: Connections, *, older_than_days: float, delete: bool, as_json: bool) -> None:
    """List, or delete, the files that are no longer needed."""
    settings = connections.settings
    volume = volume_of(settings)
    limits = Limits(timedelta(days=older_than_days), longest_job(settings), GRACE, _excess_bytes(settings, volume))
    removals = sweep(volume, settings.scratch, connections.catalog.videos, limits, delete=delete)
    total = sum(removal.size_bytes for removal in removals)
    if as_json:
        console.print_json({"deleted": delete, "files": removals, "bytes": total})
        return
    cells = ((removal.what, removal.reason, removal.size_bytes, removal.title) for removal in removals)
    console.out.print(console.table("Files that are no longer needed", ("what", "why", "bytes", "title"), cells))
    verdict = "deleted" if delete else "can be deleted (with --yes)"
    console.out.print(f"{len(removals)} files, {total / 1e6:.1f} MB {verdict}")


def sweep(volume: Volume, scratch: Path, look_up: LookUp, limits: Limits, *, delete: bool) -> list[Removal]:
    """Return the files that are no longer needed; with `delete`, delete them. `look_up` returns the rows of ids."""
    now = datetime.now(UTC)
    found: list[Audio] = []
    strays = strays_to_remove(chain(_in_folders(volume, look_up, found), _in_scratch(volume, scratch)), limits, now)
    audio = audio_to_remove(found, limits, now)
    if delete:
        for removal in audio:
            volume.discard(removal.what, "audio")
        for removal in strays:
            volume.home.remove(removal.what)
    return [*audio, *strays]


def longest_job(settings: AllSettings) -> timedelta:
    """Return twice the time that any job may take: an older temporary file belongs to no running job."""
    return timedelta(seconds=min(LONGEST_JOB_S, 2 * settings.longest_job_s))


def _excess_bytes(settings: AllSettings, volume: Volume) -> float:
    return max(0.0, volume.used_bytes() - RESUME_BELOW * settings.disk_budget_bytes)


def _in_folders(volume: Volume, look_up: LookUp, audio: list[Audio]) -> Iterator[Stray]:
    """Yield what belongs to no video, a page of folders at a time; note the audio of the indexed ones."""
    folders = _grouped(volume.home.list("videos/"), depth=3)
    while page := list(islice(folders, PAGE)):
        rows = look_up([name for path, _ in page if (name := _last(path)).isascii()])  # others are no ids
        for path, entries in page:
            is_folder = all(entry.name.startswith(f"{path}/") for entry in entries)  # a link in its place is none
            row = rows.get(_last(path)) if is_folder else None
            if row is None:
                yield _stray(path, "unknown", entries)
            else:
                audio += _audio(volume, row)
                yield from _in_folder(volume, row.video_id, entries)


def _audio(volume: Volume, row: VideoRow) -> Iterator[Audio]:
    manifest = volume.manifest(row.video_id, "audio") if row.state == VideoState.INDEXED else None
    if manifest is not None:
        yield Audio(row.video_id, row.title, manifest.artifact.size_bytes, row.updated_at)


def _in_folder(volume: Volume, video_id: str, entries: Sequence[Entry]) -> Iterator[Stray]:
    named = {manifest.artifact.path for manifest in _manifests(volume, video_id)}
    before = volume.manifest(video_id, "before")
    replaced = [entry for entry in entries if _last(entry.name) == "before.json"]
    for path, parts in _grouped(entries, depth=4):
        if _last(path).startswith(TEMPORARY_PREFIX):
            yield _stray(path, "unfinished", parts)
        elif before is not None and path == before.artifact.path and path not in named and replaced:
            yield Stray(path, "earlier", parts[0].size_bytes, _stray(path, "earlier", replaced).changed_at)
        elif not path.endswith(".json") and path not in named:
            yield _stray(path, "replaced", parts)


def _in_scratch(volume: Volume, scratch: Path) -> Iterator[Stray]:
    """Yield the content of the scratch folder, unless it is outside of the volume (each machine cleans its own)."""
    name = volume.home.name_of(scratch)
    if name is not None:
        for path, entries in _grouped(volume.home.list(f"{name}/"), depth=name.count("/") + 2):
            yield _stray(path, "unfinished", entries)


def _manifests(volume: Volume, video_id: str) -> Iterator[Manifest]:
    for kind in KINDS:
        manifest = volume.manifest(video_id, kind)
        if manifest is not None:
            yield manifest


def _grouped(entries: Iterable[Entry], depth: int) -> Iterator[tuple[str, list[Entry]]]:
    """Yield entries by the first `depth` parts of their names; a shorter name stands for itself, if it is a file."""
    for path, group in groupby(entries, lambda entry: "/".join(entry.name.split("/")[:depth])):
        if not path.endswith("/"):
            yield path, list(group)


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _stray(path: str, kind: str, entries: Sequence[Entry]) -> Stray:
    changed_at = datetime.fromtimestamp(max(entry.changed_at_s for entry in entries), UTC)
    return Stray(path, kind, sum(entry.size_bytes for entry in entries), changed_at)
