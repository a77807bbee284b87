"""`ingest mend`: gives the transcripts of earlier versions their spacing and indexes them anew, without audio.

The rows of a video change in one transaction, unless a run is about to replace them.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.cli import console
from ingest.embedder.rebuild import rebuilder
from ingest.shared.artifacts import transcript as transcript_file
from ingest.shared.artifacts.respacing import WITH_SPACING, respace
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.errors import IngestError
from ingest.shared.homes.chosen import volume_of
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.video_state import VideoState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.cli.local.state_folder import Connections
    from ingest.embedder.rebuild import Rebuilder
    from ingest.embedder.tables.catalog import VideoRow
    from ingest.shared.artifacts.respacing import SpacingResult
    from ingest.shared.artifacts.transcript import Transcript
    from ingest.shared.artifacts.volume import Manifest

log = get_logger(__name__)


@dataclass(frozen=True)
class MendReport:
    """What changed in a video: joined words, and pairs that may belong together; or the reason why it was left."""

    video_id: str
    source: str
    joined: int = 0
    unsure: int = 0
    trouble: str = ""


@dataclass(frozen=True)
class Mender:
    """Mends one video at a time."""

    volume: Volume
    rebuilder: Rebuilder

    def mend(self, row: VideoRow) -> MendReport | None:
        """Mend a video; None when its transcript has the spacing of its words already."""
        source = row.source_url or row.video_id
        try:
            found = _older(self.volume, row.video_id)
            if found is None:
                return None
            manifest, older = found
            mended = respace(older)
            self.rebuilder.rebuild(row.video_id, mended.transcript)
            _keep(self.volume, mended.transcript, manifest)
        except IngestError as error:
            if error.code.startswith("ENV_"):
                raise
            log.warning("not_mended", video_id=row.video_id, code=error.code, error=error.message)
            return MendReport(row.video_id, source, trouble=str(error))
        return _report(row.video_id, source, mended)


def mend(connections: Connections, videos: Sequence[str] | None, *, dry_run: bool) -> list[MendReport]:
    """Mend the transcripts of indexed videos, or say what mending would change."""
    volume = volume_of(connections.settings)
    if dry_run:
        return list(_foreseen(volume, _chosen(connections, videos)))
    mender = _mender(connections, volume)
    return [report for row in _chosen(connections, videos) if (report := mender.mend(row)) is not None]


def print_reports(reports: Sequence[MendReport], *, dry_run: bool, as_json: bool) -> None:
    """Print the changes of each video, and which of them have to be done again for a text without doubt."""
    if as_json:
        console.print_json(reports)
        return
    for report in reports:
        again = f"ingest run --force {report.source!r}"
        if report.trouble:
            console.err.print(f"{report.video_id}  {report.trouble}; it has to be done again: {again}", markup=False)
            continue
        doubt = f", {report.unsure} words unsure; to do it again: {again}" if report.unsure else ""
        console.out.print(f"{report.video_id}  {report.joined} words joined{doubt}", markup=False)
    verb = "would be mended" if dry_run else "mended"
    console.out.print(f"{sum(not report.trouble for report in reports)} transcripts {verb}")


def _mender(connections: Connections, volume: Volume) -> Mender:
    from ingest.embedder.text_model.encoder import load  # seconds of imports

    return Mender(volume, rebuilder(connections.settings, connections.database, load(connections.settings)))


def _chosen(connections: Connections, videos: Sequence[str] | None) -> list[VideoRow]:
    rows = connections.catalog.chosen(states=[VideoState.INDEXED], limit=1_000_000)
    return [row for row in rows if not videos or row.video_id in videos]


def _foreseen(volume: Volume, rows: Sequence[VideoRow]) -> Iterator[MendReport]:
    for row in rows:
        source = row.source_url or row.video_id
        try:
            found = _older(volume, row.video_id)
        except IngestError as error:
            yield MendReport(row.video_id, source, trouble=str(error))
            continue
        if found is not None:
            yield _report(row.video_id, source, respace(found[1]))


def _report(video_id: str, source: str, mended: SpacingResult) -> MendReport:
    return MendReport(video_id, source, mended.joined, mended.unsure)


def _older(volume: Volume, video_id: str) -> tuple[Manifest, Transcript] | None:
    """Return the transcript of a video if an earlier version wrote it."""
    manifest = volume.manifest(video_id, "transcript")
    if manifest is None:
        return None
    content = transcript_file.read(volume.verified(manifest.artifact, patience_s=0))
    return None if content.transcript_version >= WITH_SPACING else (manifest, content)


def _keep(volume: Volume, mended: Transcript, manifest: Manifest) -> None:
    with tempfile.TemporaryDirectory(prefix="ingest-mend-") as folder:
        file = Path(folder) / f"transcript.{transcript_file.EXTENSION}"
        transcript_file.write(mended, file)
        extension, duration_s = transcript_file.EXTENSION, mended.duration_s
        made = NewArtifact(file, "transcript", extension, duration_s, manifest.origin, manifest.generation)
        volume.keep(mended.video_id, made)
