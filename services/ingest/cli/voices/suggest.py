"""`ingest voices suggest`: unknown voices of several recordings that sound alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.asr.speakers import alike
from ingest.asr.speakers import build as speaker_models
from ingest.cli import console
from ingest.embedder.corrections import names
from ingest.embedder.tables import speaker_statements
from ingest.embedder.tables.catalog import Catalog
from ingest.shared.artifacts import voiceprints
from ingest.shared.errors import IngestError
from ingest.shared.homes.chosen import volume_of
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.video_state import VideoState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.asr.speakers.alike import UnknownVoice
    from ingest.cli.local.state_folder import Archive
    from ingest.embedder.corrections.names import SpeakerStatement
    from ingest.shared.artifacts.volume import Volume

ALL = 1_000_000
log = get_logger(__name__)


def suggestions(archive: Archive) -> list[list[UnknownVoice]]:
    """Return the groups of unknown voices that sound alike; voices that a person has named are none."""
    volume, said = volume_of(archive.settings), speaker_statements.of_all(archive.database)
    rows = Catalog(archive.database).chosen(states=[VideoState.INDEXED], limit=ALL)
    voices = (voice for row in rows for voice in _unknown(volume, row.video_id, said.get(row.video_id, ())))
    return alike.groups(voices, speaker_models.thresholds(archive.settings).accept)


def _unknown(volume: Volume, video_id: str, said: Sequence[SpeakerStatement]) -> Iterator[UnknownVoice]:
    manifest = volume.manifest(video_id, "voices")
    if manifest is None:
        return
    try:
        found = voiceprints.read(volume.verified(manifest.artifact, patience_s=0))
    except IngestError as error:
        if error.code.startswith("ENV_"):
            raise
        log.warning("voiceprints_left_out", video_id=video_id, code=error.code, error=error.message)
        return
    turns = names.apply(found.turns, said).turns
    yield from alike.unknown_voices(video_id, found.model_key, turns, found.vectors.array())


def print_groups(found: Sequence[Sequence[UnknownVoice]], *, as_json: bool) -> None:
    """Print groups of voices, and how to name the voices of one."""
    if as_json:
        fields = ("video_id", "speaker", "speech_s")
        console.print_json([[{name: getattr(voice, name) for name in fields} for voice in group] for group in found])
        return
    for number, group in enumerate(found, 1):
        title = f"{number}. {len(group)} unknown voices of {len(group)} recordings sound alike"
        cells = ((voice.video_id, voice.speaker, console.clock(voice.speech_s)) for voice in group)
        console.out.print(console.table(title, ("video", "speaker", "speech"), cells))
        first = group[0]
        advice = f'ingest voices name {first.video_id} "{first.speaker}" NAME --enroll && ingest voices relabel --all'
        console.out.print(f"to name them: {advice}\n", markup=False)
    if not found:
        console.out.print("no unknown voices of several recordings sound alike")
