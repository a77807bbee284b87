"""`ingest mend`: transcripts of earlier versions get their spacing, and their passages are stored anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ingest.cli.local.state_folder import Connections, StateFolder
from ingest.cli.settings import AllSettings
from ingest.cli.upkeep.mend import mend, print_reports
from ingest.embedder.passages import PassageLimits, build
from ingest.embedder.tables.catalog import Catalog
from ingest.embedder.tables.store import Rows, Store
from ingest.shared.artifacts import transcript, voiceprints, zstd_json
from ingest.shared.artifacts.transcript import Segment, Timings, Transcript, Turn, Word
from ingest.shared.artifacts.voiceprints import Voiceprints
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.errors import ConfigurationError
from ingest.shared.settings import load
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.embedder.postgres.database import Database
    from ingest.embedder.text_model.encoder import Encoder
    from ingest.shared.broker.nats_bus import NatsBus

VIDEO, OTHER, LOST = "abcdefghijk", "bcdefghijkl", "cdefghijklm"
LIMITS = PassageLimits(min_chars=400, max_chars=1200, max_gap_s=3.0, max_s=60.0, max_tokens=256)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    from ingest.embedder.text_model.encoder import Encoder  # seconds of imports, in every process that collects tests
    from ingest.embedder.text_model.model_files import BUNDLED

    return Encoder(BUNDLED, "cpu", 32)


@pytest.fixture
def archive(tmp_path: Path, bus: NatsBus, database: Database) -> Connections:
    settings = load(AllSettings, state_path=tmp_path, volume_path=tmp_path / "volume", embedding_device="cpu")
    return Connections(settings, bus, database, StateFolder(settings))


def said(words: str, speaker: str) -> Segment:
    timed = tuple(
        Word(start_s=at, end_s=at + 1, text=word, probability=1.0) for at, word in enumerate(words.split(), 0)
    )
    return Segment(
        start_s=0,
        end_s=len(timed),
        text=words,
        words=timed,
        avg_logprob=0,
        compression_ratio=1,
        no_speech_prob=0,
        speaker=speaker,
    )


def keep(archive: Connections, encoder: Encoder, video_id: str, segment: Segment, version: int, language: str) -> None:
    """Put a transcript on the volume and index it as its version did; its turns were relabelled since."""
    volume, file = Volume(archive.settings.volume), archive.settings.state_path / "file"
    turn = Turn(start_s=0, end_s=segment.end_s, cluster="S1", speaker="Ada")
    made = Transcript(
        transcript_version=version,
        video_id=video_id,
        audio_sha256="0" * 64,
        duration_s=60.0,
        speech_s=60.0,
        language=language,
        language_probability=1.0,
        model_key="base",
        segments=(segment,),
        turns=(turn.model_copy(update={"speaker": "Unknown 1"}),),
        timings=Timings(decode_s=0, speech_s=0, recognise_s=0, total_s=1),
    )
    transcript.write(made, file)
    volume.keep(video_id, NewArtifact(file, "transcript", transcript.EXTENSION, 60.0, "origin", 3))
    vectors = zstd_json.vectors(np.ones((1, 3), dtype=np.float32))
    voiceprints.write(
        Voiceprints(video_id=video_id, model_key="v", outcome="full", turns=(turn,), vectors=vectors), file
    )
    volume.keep(video_id, NewArtifact(file, "voices", voiceprints.EXTENSION, 60.0, "origin", 3))
    built = build([segment], language, LIMITS, encoder.count_tokens)
    vector = encoder.run([passage.text for passage in built])
    Store(archive.database, encoder.key, encoder.dimensions).replace(Rows(video_id, 3, language, built, vector))


def texts(archive: Connections, video_id: str) -> list[tuple[str, str | None]]:
    return [(row.text, row.speaker) for row in Catalog(archive.database).passages(video_id)]


def sentences(archive: Connections, video_id: str) -> list[int]:
    """Return how many bytes of sentences' vectors each passage has."""
    query = b"SELECT length(sentences) FROM embeddings WHERE video_id = %s ORDER BY idx"
    with archive.database.transaction() as connection:
        return [int(str(length)) for (length,) in connection.execute(query, (video_id,)).fetchall()]


def test_older_transcripts_are_mended_and_indexed_with_their_present_names(
    archive: Connections, encoder: Encoder, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(archive, encoder, VIDEO, said("Il n 'a qu 'un chat. Il coûte 3 ,50 euros.", "Unknown 1"), 2, "fr")
    keep(archive, encoder, OTHER, said("It is as it was .5 then.", "Unknown 1"), 3, "en")
    keep(archive, encoder, LOST, said("Gone .com", "Unknown 1"), 2, "en")
    volume = Volume(archive.settings.volume)
    manifest = volume.manifest(LOST, "transcript")
    assert manifest is not None
    on_disk(volume).resolve(manifest.artifact.path).unlink()

    foreseen = {report.video_id: report for report in mend(archive, None, dry_run=True)}
    assert foreseen.keys() == {VIDEO, LOST}
    assert (foreseen[VIDEO].joined, foreseen[VIDEO].unsure) == (3, 0)
    assert texts(archive, VIDEO)[0][0].startswith("Il n 'a")

    done = {report.video_id: report for report in mend(archive, None, dry_run=False)}
    assert done == foreseen
    assert texts(archive, VIDEO) == [("Il n'a qu'un chat. Il coûte 3,50 euros.", "Ada")]
    assert sentences(archive, VIDEO) == [2 * encoder.dimensions]
    assert texts(archive, OTHER) == [("It is as it was .5 then.", "Unknown 1")]
    kept = volume.manifest(VIDEO, "transcript")
    assert kept is not None
    assert (kept.origin, kept.generation) == ("origin", 3)
    mended = transcript.read(volume.verified(kept.artifact))
    assert (mended.text, mended.transcript_version) == ("Il n'a qu'un chat. Il coûte 3,50 euros.", 3)
    assert [report.video_id for report in mend(archive, None, dry_run=False)] == [LOST]

    print_reports(list(done.values()), dry_run=False, as_json=False)
    told = capsys.readouterr()
    assert f"{VIDEO}  3 words joined" in told.out
    assert "1 transcripts mended" in told.out
    assert "it has to be done again: ingest run --force" in " ".join(told.err.split())


def test_an_archive_of_another_text_model_is_left_alone(archive: Connections) -> None:
    Store(archive.database, "another-model", 8)
    with pytest.raises(ConfigurationError, match="must name its model"):
        mend(archive, [VIDEO], dry_run=False)
