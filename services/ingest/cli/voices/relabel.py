"""`ingest voices relabel`: the names of archived videos, worked out again from their stored voice embeddings.

One transaction for each video: its rows are changed together, unless a run is about to replace them.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.asr.speakers import build as speaker_models
from ingest.asr.speakers import matching
from ingest.asr.speakers.profiles import Profiles
from ingest.cli import console
from ingest.cli.local.state_folder import connected
from ingest.embedder.catalog import Catalog
from ingest.embedder.speaker_names import SpeakerNames, name_passages
from ingest.shared import video_state
from ingest.shared.artifacts import voiceprints
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.errors import ConfigurationError, IngestError
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.asr.speakers.matching import Thresholds
    from ingest.cli.local.state_folder import Connected
    from ingest.cli.settings import AllSettings
    from ingest.shared.artifacts.voiceprints import Voiceprints

log = get_logger(__name__)


@dataclass(frozen=True)
class Relabelled:
    """What has changed in a video: how many passages went from one name to another, or why nothing could."""

    video_id: str
    changes: dict[str, int]
    trouble: str = ""


def relabel(settings: AllSettings, *, videos: Sequence[str] | None, channel: str | None, as_json: bool) -> None:
    """Work out names again and print what changed; raise ConfigurationError for a video that is not known."""
    with connected(settings) as to:
        done = relabel_all(to, videos=videos, channel=channel)
    if as_json:
        console.print_json(done)
        return
    for item in done:
        for change, passages in sorted(item.changes.items()):
            console.out.print(f"{item.video_id}  {change}: {passages} passages", markup=False)
        if item.trouble:
            console.err.print(f"{item.video_id}  {item.trouble}", markup=False)
    total = sum(sum(item.changes.values()) for item in done)
    console.out.print(f"{len(done)} videos, {total} passages renamed")


def relabel_all(to: Connected, *, videos: Sequence[str] | None = None, channel: str | None = None) -> list[Relabelled]:
    """Work out the names of videos again and return what changed in each."""
    volume, profiles = Volume(to.settings.volume), Profiles(to.settings.volume)
    thresholds, names = speaker_models.thresholds(to.settings), SpeakerNames(to.archive)
    ids = _chosen(Catalog(to.archive), videos, channel)
    return [_one(volume, profiles, thresholds, names, video_id) for video_id in ids]


def _chosen(catalog: Catalog, videos: Sequence[str] | None, channel: str | None) -> list[str]:
    if videos:
        missing = [video for video in videos if video not in catalog.videos(videos)]
        if missing:
            raise ConfigurationError(f"the archive knows no video {', '.join(missing)}")
        return list(videos)
    rows = catalog.chosen(states=[video_state.INDEXED], limit=1_000_000)
    return [row.video_id for row in rows if channel is None or (row.channel or "").casefold() == channel.casefold()]


def _one(volume: Volume, profiles: Profiles, thresholds: Thresholds, names: SpeakerNames, video_id: str) -> Relabelled:
    manifest = volume.manifest(video_id, "voices")
    if manifest is None:
        return Relabelled(video_id, {}, "nobody has listened to who speaks")
    try:
        before = voiceprints.read(volume.verified(manifest.artifact, patience_s=0))
        after = renamed(before, profiles, thresholds)
        changes = names.change(video_id, manifest.generation, lambda passages: name_passages(passages, after.turns))
        if after != before:
            _keep(volume, after, manifest.artifact.duration_s, manifest.origin, manifest.generation)
    except IngestError as error:
        if error.code.startswith("ENV_"):
            raise
        log.warning("not_relabelled", video_id=video_id, code=error.code, error=error.message)
        return Relabelled(video_id, {}, str(error))
    return Relabelled(video_id, dict(Counter(f"{old or 'nobody'} -> {new or 'nobody'}" for old, new in changes)))


def renamed(before: Voiceprints, profiles: Profiles, thresholds: Thresholds) -> Voiceprints:
    """Return voiceprints with the names that the present profiles give."""
    known = profiles.of(before.model_key)
    turns = matching.name_turns(before.turns, before.vectors.array(), known, thresholds)
    return before.model_copy(update={"turns": tuple(turns)})


def _keep(volume: Volume, made: Voiceprints, duration_s: float, origin: str, generation: int) -> None:
    with tempfile.TemporaryDirectory(prefix="ingest-voices-") as folder:
        file = Path(folder) / f"voices.{voiceprints.EXTENSION}"
        voiceprints.write(made, file)
        volume.keep(made.video_id, NewArtifact(file, "voices", voiceprints.EXTENSION, duration_s, origin, generation))
