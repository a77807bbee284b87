"""`ingest purge`: deletes files that are no longer needed, or lists them."""

from __future__ import annotations

import shutil
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.cli.upkeep.retention import Audio, Limits, Removal, Stray, audio_to_remove, strays_to_remove
from ingest.downloader.disk_gate import RESUME_BELOW
from ingest.shared.artifacts.volume import KINDS, TEMPORARY_PREFIX, Manifest, Volume, translate_os_errors
from ingest.shared.video_state import VideoState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ingest.cli.local.state_folder import Connections
    from ingest.cli.settings import AllSettings
    from ingest.embedder.tables.catalog import VideoRow

    LookUp = Callable[[Sequence[str]], Mapping[str, VideoRow]]

GRACE = timedelta(hours=24)
PAGE = 1000  # folders whose rows are read at a time
LONGEST_JOB_S = 1e9  # the settings allow more, which no date can hold


def purge(connections: Connections, *, older_than_days: float, delete: bool, as_json: bool) -> None:
    """List, or delete, the files that are no longer needed."""
    settings = connections.settings
    volume = Volume(settings.volume)
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
        with translate_os_errors("purge"):
            for removal in strays:
                _remove(volume.root / removal.what)
    return [*audio, *strays]


def longest_job(settings: AllSettings) -> timedelta:
    """Return twice the time that any job may take: an older temporary file belongs to no running job."""
    return timedelta(seconds=min(LONGEST_JOB_S, 2 * settings.longest_job_s))


def _excess_bytes(settings: AllSettings, volume: Volume) -> float:
    return max(0.0, volume.used_bytes() - RESUME_BELOW * settings.disk_budget_bytes)


def _in_folders(volume: Volume, look_up: LookUp, audio: list[Audio]) -> Iterator[Stray]:
    """Yield what belongs to no video, a page of folders at a time; note the audio of the indexed ones."""
    folders = _folders_of_videos(volume)
    while page := list(islice(folders, PAGE)):
        rows = look_up([folder.name for folder in page if folder.name.isascii()])  # others are no ids
        for folder in page:
            row = None if folder.is_symlink() else rows.get(folder.name)
            if row is None:
                yield from _stray(volume, folder, "unknown")
            else:
                audio += _audio(volume, row)
                yield from _in_folder(volume, folder)


def _audio(volume: Volume, row: VideoRow) -> Iterator[Audio]:
    manifest = volume.manifest(row.video_id, "audio") if row.state == VideoState.INDEXED else None
    if manifest is not None:
        yield Audio(row.video_id, row.title, manifest.artifact.size_bytes, row.updated_at)


def _in_folder(volume: Volume, folder: Path) -> Iterator[Stray]:
    named = {manifest.artifact.path for manifest in _manifests(volume, folder.name)}
    for path in folder.iterdir():
        if path.name.startswith(TEMPORARY_PREFIX):
            yield from _stray(volume, path, "unfinished")
        elif path.suffix != ".json" and str(path.relative_to(volume.root)) not in named:
            yield from _stray(volume, path, "replaced")


def _folders_of_videos(volume: Volume) -> Iterator[Path]:
    """Yield what lies where the folders of videos are, and links in the place of the folders above them."""
    for shard in (volume.root / "videos").glob("*"):
        if shard.is_symlink():
            yield shard
        elif shard.is_dir():
            yield from shard.glob("*")


def _manifests(volume: Volume, video_id: str) -> Iterator[Manifest]:
    for kind in KINDS:
        manifest = volume.manifest(video_id, kind)
        if manifest is not None:
            yield manifest


def _in_scratch(volume: Volume, scratch: Path) -> Iterator[Stray]:
    """Yield the content of the scratch folder, unless it is outside of the volume (each machine cleans its own)."""
    place = scratch.parent.resolve() / scratch.name
    if place.is_relative_to(volume.root) and place.is_dir() and not place.is_symlink():
        for path in place.iterdir():
            yield from _stray(volume, path, "unfinished")


def _stray(volume: Volume, path: Path, kind: str) -> Iterator[Stray]:
    """Yield a stray for a path, unless files below it disappear meanwhile: then a worker uses it."""
    with suppress(FileNotFoundError):
        files = [path, *path.rglob("*")] if path.is_dir() and not path.is_symlink() else [path]
        stats = [file.lstat() for file in files]
        changed_at = datetime.fromtimestamp(max(stat.st_mtime for stat in stats), UTC)
        size = sum(stat.st_size for file, stat in zip(files, stats, strict=True) if not file.is_dir())
        yield Stray(str(path.relative_to(volume.root)), kind, size, changed_at)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
