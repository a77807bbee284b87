"""Enrolling, calibrating and relabelling: with the real pipeline, a real archive, and no audio where none is needed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ingest.asr.speakers.profiles import Profile, Profiles
from ingest.cli.local.state_folder import Connections, StateFolder
from ingest.cli.settings import AllSettings
from ingest.cli.voices.calibrate import calibrate, labelled_source
from ingest.cli.voices.enroll import build_profile, enroll, from_turns, parse_speaker_ref
from ingest.cli.voices.progress import shown
from ingest.cli.voices.relabel import relabel
from ingest.cli.voices.samples import VoiceSample
from ingest.demo import VOICE_MODEL, samples, voice_model_sha256
from ingest.embedder.passages import Passage
from ingest.embedder.tables.catalog import Catalog
from ingest.embedder.tables.store import Rows, Store
from ingest.shared.artifacts import voiceprints, zstd_json
from ingest.shared.artifacts.transcript import Turn
from ingest.shared.artifacts.voiceprints import Voiceprints
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.sandbox.decode import DecodeLimits, decode
from ingest.shared.settings import load
from tests.support.on_disk import on_disk
from training.make_samples import write_opus

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.asr.speakers.vectors import FloatArray
    from ingest.embedder.postgres.database import Database
    from ingest.shared.broker.nats_bus import NatsBus

VIDEO, OTHER = "abcdefghijk", "ABCDEFGHIJK"
KEY = "model@1"
ADA, GRACE = np.eye(2, dtype=np.float32)


@pytest.fixture
def settings(tmp_path: Path) -> AllSettings:
    return load(
        AllSettings,
        state_path=tmp_path,
        diarization_model=str(VOICE_MODEL),
        diarization_sha256=voice_model_sha256(),
        asr_device="cpu",
    )


def keep_voices(volume: Volume, tmp_path: Path, video_id: str, generation: int = 1, key: str = KEY) -> Voiceprints:
    """A video in which one voice speaks in passages 0 and 2, another in passage 1."""
    turns = tuple(
        Turn(
            start_s=number * 30.0,
            end_s=number * 30.0 + 25,
            cluster=cluster,
            speaker=f"Unknown {cluster[1:]}",
            vector=number,
        )
        for number, cluster in enumerate(("S1", "S2", "S1"))
    )
    made = Voiceprints(
        video_id=video_id,
        model_key=key,
        outcome="full",
        turns=turns,
        vectors=zstd_json.vectors(np.stack([ADA, GRACE, ADA])),
    )
    voiceprints.write(made, tmp_path / "prints")
    volume.keep(video_id, NewArtifact(tmp_path / "prints", "voices", voiceprints.EXTENSION, 85.0, "test", generation))
    return made


def passage(index: int, speaker: str | None) -> Passage:
    return Passage(
        index=index,
        start_s=index * 30.0,
        end_s=index * 30.0 + 25,
        text=f"passage {index}",
        speaker=speaker,
        speaker_score=None,
        is_overlap=index == 1,
        offsets=(0,),
        starts_s=(index * 30.0,),
        avg_logprob=-0.1,
        compression_ratio=1.0,
        no_speech_prob=0.0,
        refined=False,
        flags=(),
    )


def index(database: Database, video_id: str, generation: int = 1) -> None:
    rows = [passage(number, f"Unknown {1 + number % 2}") for number in range(3)]
    vectors = [np.ones(3, dtype=np.float32)] * 3
    Store(database, "test", 3).replace(Rows(video_id, generation, "en", rows, vectors))


@pytest.fixture
def archive(settings: AllSettings, bus: NatsBus, database: Database) -> Connections:
    return Connections(settings, bus, database, StateFolder(settings))


@pytest.fixture
def volume(settings: AllSettings) -> Volume:
    return Volume(settings.volume)


def speakers(database: Database, video_id: str) -> list[str | None]:
    return [row.speaker for row in Catalog(database).passages(video_id)]


def test_rows_know_speakers_scores_and_overlaps(database: Database) -> None:
    index(database, VIDEO)
    first, second = Catalog(database).speakers(VIDEO)
    assert (first.speaker, first.passages, first.duration_s, first.overlapping) == ("Unknown 1", 2, 50.0, 0)
    assert (second.speaker, second.passages, second.overlapping) == ("Unknown 2", 1, 1)


def test_an_enrolled_voice_gets_its_name_in_the_archive_and_loses_it_again(
    archive: Connections, database: Database, volume: Volume, tmp_path: Path
) -> None:
    for video_id in (VIDEO, OTHER):
        index(database, video_id)
        keep_voices(volume, tmp_path, video_id)
    profiles = Profiles(on_disk(volume).root)
    profiles.keep(Profile("Ada", 1, KEY, np.stack([ADA] * 3)))
    done = relabel(archive, videos=[VIDEO])
    assert [item.changes for item in done] == [{"Unknown 1 -> Ada": 2, "Unknown 2 -> Unknown 1": 1}]
    assert speakers(database, VIDEO) == ["Ada", "Unknown 1", "Ada"]
    assert speakers(database, OTHER) == ["Unknown 1", "Unknown 2", "Unknown 1"]
    score = Catalog(database).speakers(VIDEO)[0].least_score
    assert score == pytest.approx(1.0, abs=1e-3)
    manifest = volume.manifest(VIDEO, "voices")
    assert manifest is not None
    kept = voiceprints.read(volume.verified(manifest.artifact))
    assert next((turn.speaker, turn.rule, turn.profile_version) for turn in kept.turns) == ("Ada", "cluster", 1)
    assert sum(len(item.changes) for item in relabel(archive, videos=[VIDEO])) == 0
    profiles.remove("Ada")
    relabel(archive)
    assert speakers(database, VIDEO) == ["Unknown 1", "Unknown 2", "Unknown 1"]


def test_profiles_of_another_model_rename_nobody(
    archive: Connections, database: Database, volume: Volume, tmp_path: Path
) -> None:
    index(database, VIDEO)
    keep_voices(volume, tmp_path, VIDEO)
    Profiles(on_disk(volume).root).keep(Profile("Ada", 1, "another@model", np.stack([ADA] * 3)))
    relabel(archive)
    assert speakers(database, VIDEO) == ["Unknown 1", "Unknown 2", "Unknown 1"]


def test_rows_that_are_about_to_be_replaced_are_left_alone(
    archive: Connections, database: Database, volume: Volume, tmp_path: Path
) -> None:
    index(database, VIDEO, generation=1)
    keep_voices(volume, tmp_path, VIDEO, generation=2)
    Profiles(on_disk(volume).root).keep(Profile("Ada", 1, KEY, np.stack([ADA] * 3)))
    (done,) = relabel(archive)
    assert (done.changes, done.trouble.partition(":")[0]) == ({}, Code.SUPERSEDED)
    assert speakers(database, VIDEO) == ["Unknown 1", "Unknown 2", "Unknown 1"]


def test_a_video_that_nobody_listened_to_or_whose_file_is_damaged_stops_no_other(
    archive: Connections, database: Database, volume: Volume, tmp_path: Path
) -> None:
    index(database, VIDEO)
    index(database, OTHER)
    keep_voices(volume, tmp_path, VIDEO)
    manifest = volume.manifest(VIDEO, "voices")
    assert manifest is not None
    on_disk(volume).resolve(manifest.artifact.path).write_bytes(b"broken")
    trouble = {item.video_id: item.trouble for item in relabel(archive)}
    assert trouble[VIDEO].startswith(Code.CHECKSUM_MISMATCH)
    assert "no diarization" in trouble[OTHER]
    with pytest.raises(ConfigurationError, match="has no video"):
        relabel(archive, videos=["ZZZZZZZZZZZ"])


# -- enrolling --------------------------------------------------------------------------------------------------------


def test_a_voice_is_enrolled_from_a_recording(settings: AllSettings) -> None:
    profile = enroll(settings, "Marina", [str(samples()[0].path)], [], replace=False)
    assert (profile.name, profile.version) == ("Marina", 1)
    assert len(profile.vectors) >= 10
    assert profile.speech_s >= 30
    assert profile.half_similarity > 0.8
    again = enroll(settings, "marina", [str(samples()[0].path)], [], replace=False)
    assert (again.version, len(again.vectors)) == (1, len(profile.vectors))  # nothing counts twice
    Profiles(settings.volume).keep(replace(profile, vectors=profile.vectors[:6]))
    more = enroll(settings, "marina", [str(samples()[0].path)], [], replace=False)
    assert (more.version, len(more.vectors)) == (3, len(profile.vectors))


def test_the_recording_of_a_voice_is_named_while_it_is_read(
    settings: AllSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.ogg").write_bytes(samples()[number].path.read_bytes())
    with pytest.raises(IngestError, match="contains several recordings; name one of them"):
        enroll(settings, "Marina", [str(tmp_path)], [], replace=False)
    assert capsys.readouterr().err == "loading the voice model\n"


def test_progress_is_a_line_every_few_seconds_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with shown(line_every_s=0.0) as show:
        show("decoding a.ogg: 1:00")
        show("decoding a\x1b[31m.ogg: 2:00")
    with shown(line_every_s=60.0) as show:
        show("one")
        show("two")
    assert capsys.readouterr().err == "decoding a.ogg: 1:00\ndecoding a[31m.ogg: 2:00\none\n"


def test_a_recording_of_two_voices_is_refused_with_the_reason(settings: AllSettings, tmp_path: Path) -> None:
    blocks: list[FloatArray] = []
    for sample in samples()[:2]:
        decode(sample.path, DecodeLimits(), blocks.append)
    write_opus(np.concatenate(blocks), tmp_path / "two.ogg")
    with pytest.raises(IngestError, match="two voices") as caught:
        enroll(settings, "Marina", [str(tmp_path / "two.ogg")], [], replace=False)
    assert caught.value.code is Code.SEVERAL_VOICES
    assert Profiles(settings.volume).all() == []


def test_turns_of_an_archived_video_are_enrolled_without_its_audio(
    settings: AllSettings, volume: Volume, tmp_path: Path
) -> None:
    keep_voices(volume, tmp_path, VIDEO)
    heard = from_turns(volume, f"{VIDEO}:unknown 1", 0.6)
    assert (heard.model_key, len(heard.vectors), heard.speech_s) == (KEY, 2, 50.0)
    with pytest.raises(IngestError) as caught:
        enroll(settings, "Ada", [], [f"{VIDEO}:Unknown 1"], replace=False)
    assert caught.value.code is Code.TOO_LITTLE_SPEECH


def test_turns_of_another_voice_are_left_out_and_named(
    volume: Volume, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = tuple(
        Turn(start_s=number * 10.0, end_s=number * 10.0 + 8, cluster="S1", speaker="Unknown 1", vector=number)
        for number in range(10)
    )
    vectors = zstd_json.vectors(np.stack([GRACE if number == 7 else ADA for number in range(10)]))
    made = Voiceprints(video_id=VIDEO, model_key=KEY, outcome="full", turns=turns, vectors=vectors)
    voiceprints.write(made, tmp_path / "prints")
    volume.keep(VIDEO, NewArtifact(tmp_path / "prints", "voices", voiceprints.EXTENSION, 100.0, "test", 1))
    heard = from_turns(volume, f"{VIDEO}:Unknown 1", 0.6)
    assert (len(heard.vectors), heard.speech_s) == (9, 72.0)
    assert "1 of 10 turns are left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(f"{VIDEO}:Eve", Code.BAD_FIELD, id="no speaker of that name"),
        pytest.param(VIDEO, Code.BAD_FIELD, id="no speaker"),
        pytest.param(f"{OTHER}:Ada", Code.ARTIFACT_MISSING, id="never diarized"),
        pytest.param("../../etc:Ada", Code.BAD_VIDEO_ID, id="no video"),
    ],
)
def test_turns_that_are_not_there_are_named(volume: Volume, tmp_path: Path, text: str, code: Code) -> None:
    keep_voices(volume, tmp_path, VIDEO)
    with pytest.raises(IngestError) as caught:
        from_turns(volume, text, 0.6)
    assert caught.value.code is code


def test_a_speaker_may_have_a_colon_in_the_name() -> None:
    assert parse_speaker_ref("abc:Unknown: 1").speaker == "Unknown: 1"


def test_vectors_of_two_models_are_not_mixed() -> None:
    heard = [VoiceSample("a.m4a", KEY, np.stack([ADA] * 5), 40.0)]
    before = Profile("Ada", 3, "another@model", np.stack([ADA] * 5))
    with pytest.raises(IngestError, match="another@model") as caught:
        build_profile("Ada", heard, before, 0.6)
    assert caught.value.code is Code.PROFILE_MODEL
    assert build_profile("Ada", heard, None, 0.6).model_key == KEY


def test_calibration_takes_two_voices(settings: AllSettings, capsys: pytest.CaptureFixture[str]) -> None:
    recordings = [f"{number}={sample.path}" for number, sample in enumerate(samples()[:3])]
    calibrate(settings, recordings, as_json=False)
    assert "proposed: INGEST_VOICE_ACCEPT=0." in capsys.readouterr().out
    with pytest.raises(ConfigurationError, match="2 voices"):
        calibrate(settings, recordings[:1], as_json=False)
    with pytest.raises(ConfigurationError, match="NAME=FILE"):
        labelled_source("a.m4a")
