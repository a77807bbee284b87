"""`ingest voices relabel`: names the speakers of archived videos again, from their stored voice embeddings.

Recordings are looked at in groups. One whose names were made from what is there now is left: its voiceprints are not
read. Of the others, the voiceprints are written first, and then the rows of the whole group in one transaction, unless
a run is about to replace them. The pipeline may run meanwhile; a command that was killed is simply given again.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ingest.asr.speakers import build as speaker_models
from ingest.asr.speakers.profiles import Profiles
from ingest.cli import console
from ingest.cli.voices.relabeler import Relabeler, RelabelReport, Voices
from ingest.shared import outgoing
from ingest.shared.errors import ConfigurationError
from ingest.shared.homes.chosen import home_of, volume_of
from ingest.shared.video_state import VideoState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.cli.local.state_folder import Connections
    from ingest.embedder.tables.catalog import Catalog

GROUP = 50  # recordings of one transaction
GROUPS_AT_ONCE = 2  # while one waits for the database, the other is named
FILES_AT_ONCE = 8  # in a bucket, each of them waits for the network


def print_reports(reports: Sequence[RelabelReport], *, as_json: bool) -> None:
    """Print the changes of each video, and the total."""
    if as_json:
        console.print_json(reports)
        return
    for report in reports:
        for change, passages in sorted(report.changes.items()):
            console.out.print(f"{report.video_id}  {outgoing.line(change)}: {passages} passages", markup=False)
        if report.trouble:
            console.err.print(f"{report.video_id}  {outgoing.line(report.trouble)}", markup=False)
    total = sum(sum(report.changes.values()) for report in reports)
    console.out.print(f"{len(reports)} videos, {total} passages renamed")


def relabel(
    connections: Connections, *, videos: Sequence[str] | None = None, channel: str | None = None
) -> list[RelabelReport]:
    """Name the speakers of videos again; raise ConfigurationError for a video or a channel that the archive has not.

    All get the names of the profiles that are present at the beginning.
    """
    settings = connections.settings
    voices = Voices(Profiles(home_of(settings)).all(), speaker_models.thresholds(settings))
    ids = _video_ids(connections.catalog, videos, channel)
    groups = [ids[first : first + GROUP] for first in range(0, len(ids), GROUP)]
    with (
        ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="relabel-files") as files,
        ThreadPoolExecutor(GROUPS_AT_ONCE, thread_name_prefix="relabel") as pool,
    ):
        relabeler = Relabeler(volume_of(settings), connections.database, voices, files)
        return [report for group in pool.map(relabeler.relabel, groups) for report in group]


def _video_ids(catalog: Catalog, videos: Sequence[str] | None, channel: str | None) -> list[str]:
    if videos:
        return [row.video_id for row in catalog.named(videos)]
    rows = catalog.chosen(states=[VideoState.INDEXED], limit=1_000_000)
    if channel is None:
        return [row.video_id for row in rows]
    found = [row.video_id for row in rows if (row.channel or "").casefold() == channel.casefold()]
    if not found:
        raise ConfigurationError(f"the archive has no indexed video of a channel {channel!r}")
    return found
