"""`ingest voices relabel`: names the speakers of archived videos again, from their stored voice embeddings.

The rows of a video change in one transaction, unless a run is about to replace them.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.asr.speakers import build as speaker_models
from ingest.asr.speakers import matching
from ingest.asr.speakers.profiles import Profiles
from ingest.cli import console
from ingest.cli.voices.profiles import NO_DIARIZATION
from ingest.embedder.corrections import names as by_hand
from ingest.embedder.tables import speaker_statements
from ingest.embedder.tables.speaker_names import SpeakerNames, name_passages
from ingest.shared import outgoing
from ingest.shared.artifacts import voiceprints
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.homes.chosen import home_of, volume_of
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.video_state import VideoState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ingest.asr.speakers.matching import Thresholds
    from ingest.asr.speakers.profiles import Profile
    from ingest.cli.local.state_folder import Connections
    from ingest.embedder.corrections.names import SpeakerStatement
    from ingest.embedder.tables.catalog import Catalog
    from ingest.shared.artifacts.voiceprints import Voiceprints

AT_ONCE = 3  # videos: most of the time is waiting for the disk and the database

log = get_logger(__name__)


@dataclass(frozen=True)
class RelabelReport:
    """The changes of a video: the number of passages per change of name, or the reason why it was left as it was.

    `is_failed`: something is wrong. A video without a diarization, or one that is being indexed, is only left.
    """

    video_id: str
    changes: dict[str, int]
    trouble: str = ""
    is_failed: bool = False


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
    volume, profiles = volume_of(settings), cache(Profiles(home_of(settings)).of)
    thresholds, names = speaker_models.thresholds(settings), SpeakerNames(connections.database)
    relabeler = Relabeler(volume, profiles, thresholds, names, speaker_statements.of_all(connections.database))
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="relabel") as pool:
        return list(pool.map(relabeler.relabel, _video_ids(connections.catalog, videos, channel)))


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


@dataclass(frozen=True)
class Relabeler:
    """Names the speakers of one video; what people have `said` beats the voice models.

    `profiles` returns those that a voice model has made. Several threads may use it.
    """

    volume: Volume
    profiles: Callable[[str], Sequence[Profile]]
    thresholds: Thresholds
    names: SpeakerNames
    said: Mapping[str, Sequence[SpeakerStatement]]

    def relabel(self, video_id: str) -> RelabelReport:
        """Name the speakers of a video, and return what changed."""
        manifest = self.volume.manifest(video_id, "voices")
        if manifest is None:
            return RelabelReport(video_id, {}, NO_DIARIZATION)
        try:
            before = voiceprints.read(self.volume.verified(manifest.artifact, patience_s=0))
            after = renamed(before, self.profiles(before.model_key), self.thresholds)
            turns = by_hand.apply(after.turns, self.said.get(video_id, ())).turns
            changes = self.names.change(video_id, manifest.generation, lambda passages: name_passages(passages, turns))
            if after != before:
                _keep(self.volume, after, manifest.artifact.duration_s, manifest.origin, manifest.generation)
        except IngestError as error:
            if error.code.startswith("ENV_"):
                raise
            log.warning("not_relabelled", video_id=video_id, code=error.code, error=error.message)
            return RelabelReport(video_id, {}, str(error), error.code is not Code.SUPERSEDED)
        named = Counter(f"{old or 'no name'} -> {new or 'no name'}" for old, new in changes)
        return RelabelReport(video_id, dict(named))


def renamed(before: Voiceprints, profiles: Sequence[Profile], thresholds: Thresholds) -> Voiceprints:
    """Return voiceprints with the names by profiles of their voice model."""
    turns = matching.name_turns(before.turns, before.vectors.array(), profiles, thresholds)
    return before.model_copy(update={"turns": tuple(turns)})


def _keep(volume: Volume, changed: Voiceprints, duration_s: float, origin: str, generation: int) -> None:
    with tempfile.TemporaryDirectory(prefix="ingest-voices-") as folder:
        file = Path(folder) / f"voices.{voiceprints.EXTENSION}"
        voiceprints.write(changed, file)
        volume.keep(
            changed.video_id, NewArtifact(file, "voices", voiceprints.EXTENSION, duration_s, origin, generation)
        )
