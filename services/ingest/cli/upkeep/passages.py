"""`ingest embed --passages`: builds the passages of all recordings again, with the present limits of their lengths.

It reads the transcripts on the volume. Only passages with another text are encoded: an interrupted command is repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.progress import track

from ingest.cli import console
from ingest.cli.transcripts.correct import rebuilder_of
from ingest.embedder import changes
from ingest.embedder.tables.catalog import Catalog
from ingest.shared import outgoing
from ingest.shared.video_state import VideoState

if TYPE_CHECKING:
    from ingest.cli.local.state_folder import Archive

ALL = 10_000_000


@dataclass(frozen=True)
class PassagesReport:
    """The number of recordings whose passages were built again, and why others were left as they were."""

    recordings: int
    passages: int
    left: dict[str, str]


def build(archive: Archive) -> PassagesReport:
    """Build the passages of all recordings again; those of each are replaced in one transaction."""
    rebuilder = rebuilder_of(archive)
    recordings, passages, left = 0, 0, dict[str, str]()
    rows = list(Catalog(archive.database).chosen(states=[VideoState.INDEXED], limit=ALL))
    for row in track(rows, "recordings", console=console.err, transient=True):
        built, trouble = changes.rebuild(rebuilder, row.video_id)
        if built is not None:
            recordings, passages = recordings + 1, passages + len(built.passages)
        elif trouble:
            left[row.video_id] = trouble
    return PassagesReport(recordings, passages, left)


def print_report(report: PassagesReport, *, as_json: bool) -> None:
    """Print how many recordings have new passages, and which were left."""
    if as_json:
        console.print_json(report)
        return
    for video_id, trouble in report.left.items():
        console.err.print(f"{video_id}  left as it was: {outgoing.line(trouble)}", markup=False)
    console.out.print(f"{report.passages} passages of {report.recordings} recordings are built anew")
