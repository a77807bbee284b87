"""Speaker identification with the real pipeline and the miniature models: turns, names, and failures."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from ingest.asr import audio
from ingest.asr.handler import Transcribe
from ingest.asr.recognition.build import make_transcriber
from ingest.asr.settings import AsrSettings
from ingest.asr.spans import Span
from ingest.asr.speakers import build as speaker_models
from ingest.asr.speakers import excerpts
from ingest.asr.speakers.diarizer import Diarizer, DiarizerOptions
from ingest.asr.speakers.identifier import SpeakerIdentifier
from ingest.asr.speakers.profiles import Profile, Profiles
from ingest.asr.speakers.windows import Bounds
from ingest.demo import ASR_MODEL, VOICE_MODEL, Sample, conversation, samples, voice_model_sha256
from ingest.shared.artifacts import transcript, voiceprints
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.messages import AudioReady, EventKind, Source, SourceKind, TranscriptReady
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits
from ingest.shared.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ingest.asr.recognition.transcriber import Transcriber
    from ingest.asr.speakers.excerpts import Excerpt
    from ingest.asr.speakers.vectors import FloatArray
    from ingest.asr.speakers.windows import SpeakerTurn

VIDEO = "abcdefghijk"
LIMITS = ChildLimits(60)
OPTIONS = DiarizerOptions(str(VOICE_MODEL), "cpu", 32, 1800.0, 0.7, sha256=voice_model_sha256())
THRESHOLDS = speaker_models.thresholds(load(AsrSettings, diarization_model=str(VOICE_MODEL)))


@pytest.fixture(scope="module")
def diarizer() -> Diarizer:
    return Diarizer(OPTIONS)


@pytest.fixture(scope="module")
def waveforms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, audio.Waveform]:
    scratch = tmp_path_factory.mktemp("scratch")
    return {
        sample.title: audio.load(sample.path, scratch, DecodeLimits(), LIMITS)[0]
        for sample in (*samples()[:2], conversation())
    }


@pytest.fixture(scope="module")
def alone(waveforms: dict[str, audio.Waveform]) -> audio.Waveform:
    """A recording of the enrolled voice only."""
    return waveforms[samples()[0].title]


@pytest.fixture(scope="module")
def talk(waveforms: dict[str, audio.Waveform]) -> audio.Waveform:
    return waveforms[conversation().title]


def enrolled(diarizer: Diarizer, waveform: audio.Waveform, name: str = "Marina") -> Profile:
    spans = excerpts.spread(audio.find_speech(waveform), 3.0, 3)
    vectors = diarizer.embed(waveform, excerpts.audible(excerpts.cut(spans, SAMPLE_RATE), waveform))
    return Profile(name, 1, diarizer.key, vectors)


@pytest.fixture
def identifier(diarizer: Diarizer, alone: audio.Waveform, tmp_path: Path) -> SpeakerIdentifier:
    profiles = Profiles(tmp_path / "volume")
    profiles.keep(enrolled(diarizer, alone))
    return SpeakerIdentifier(diarizer, profiles, THRESHOLDS)


def speaking(turns: Sequence[SpeakerTurn], at_s: float) -> set[str]:
    return {item.speaker for item in turns if item.span.start_s <= at_s <= item.span.end_s}


def wrong_share(turns: Sequence[SpeakerTurn], sample: Sample) -> float:
    """The share of sentences whose middle has another label than its speaker, for the best mapping of labels."""
    found = [
        (sentence.speaker, speaking(turns, (sentence.start_s + sentence.end_s) / 2)) for sentence in sample.sentences
    ]
    labels = {turn.speaker for turn in turns}
    return min(
        sum(at_middle != {first if name else second} for name, at_middle in found) / len(found)
        for first in labels
        for second in labels
        if first != second
    )


def test_two_people_have_two_labels(diarizer: Diarizer, talk: audio.Waveform) -> None:
    turns = diarizer.diarize(talk, audio.find_speech(talk))
    assert {item.speaker for item in turns} == {"S1", "S2"}
    assert wrong_share(turns, conversation()) <= 0.05
    assert all(0 <= item.span.start_s < item.span.end_s <= len(talk) / SAMPLE_RATE for item in turns)
    assert [item.span.start_s for item in turns] == sorted(item.span.start_s for item in turns)


def test_in_windows_the_speakers_stay_the_same(talk: audio.Waveform) -> None:
    turns = Diarizer(replace(OPTIONS, window_s=30.0)).diarize(talk, audio.find_speech(talk))
    assert {item.speaker for item in turns} == {"S1", "S2"}
    assert wrong_share(turns, conversation()) <= 0.1


@pytest.mark.parametrize(
    "waveform",
    [
        pytest.param(np.zeros(0, dtype=np.float32), id="nothing"),
        pytest.param(np.zeros(SAMPLE_RATE // 20, dtype=np.float32), id="50 ms"),
        pytest.param(np.zeros(20 * SAMPLE_RATE, dtype=np.float32), id="silence"),
    ],
)
def test_without_speech_there_are_no_turns(diarizer: Diarizer, waveform: audio.Waveform) -> None:
    assert diarizer.diarize(waveform, []) == []


@pytest.mark.parametrize(
    ("bounds", "count"),
    [pytest.param(Bounds(maximum=1), 1, id="at most one"), pytest.param(Bounds(minimum=3), 3, id="at least three")],
)
def test_bounds_of_a_recording_are_kept(diarizer: Diarizer, talk: audio.Waveform, bounds: Bounds, count: int) -> None:
    assert len({item.speaker for item in diarizer.diarize(talk, [], bounds)}) == count


def stock(diarizer: Diarizer, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 (a pipeline of pyannote.audio)
    """The pipeline with the steps of pyannote.audio itself."""
    monkeypatch.delattr(diarizer.pipeline, "get_embeddings")
    return diarizer.pipeline


def as_file(waveform: audio.Waveform) -> dict[str, Any]:
    return {"waveform": torch.from_numpy(np.array(waveform))[None], "sample_rate": SAMPLE_RATE, "uri": "x"}


@pytest.mark.long
@pytest.mark.parametrize("exclude", [pytest.param(True, id="overlap left out"), pytest.param(False, id="all masks")])
@pytest.mark.parametrize("pad", [pytest.param(True, id="padded"), pytest.param(False, id="as they come")])
def test_embeddings_are_those_of_the_original(
    talk: audio.Waveform, monkeypatch: pytest.MonkeyPatch, *, exclude: bool, pad: bool
) -> None:
    diarizer = Diarizer(replace(OPTIONS, pad=pad, batch=16))
    pipeline, file = diarizer.pipeline, as_file(talk)
    with torch.inference_mode():
        segmentations = pipeline.get_segmentations(file)
        ours = pipeline.get_embeddings(file, segmentations, exclude_overlap=exclude)
        theirs = stock(diarizer, monkeypatch).get_embeddings(file, segmentations, exclude_overlap=exclude)
    assert ours.shape == theirs.shape
    assert (segmentations.data.sum(axis=1) == 0).any(), "no mask is empty: the test shows too little"
    assert float(np.abs(ours - theirs).max()) <= 1e-5


def test_batches_change_no_vector(diarizer: Diarizer, talk: audio.Waveform) -> None:
    cut = excerpts.audible(
        excerpts.cut([Span(second, second + 1.0 + second % 3) for second in range(60)], SAMPLE_RATE), talk
    )
    together = diarizer.embed(talk, cut)
    one_by_one = np.concatenate([diarizer.embed(talk, [excerpt]) for excerpt in cut])
    assert float((together * one_by_one).sum(axis=1).min()) >= 0.9999
    assert np.allclose(np.linalg.norm(together, axis=1), 1)
    assert diarizer.embed(talk, []).shape == (0, diarizer.dimension)


# -- names ------------------------------------------------------------------------------------------------------------


def test_the_enrolled_voice_gets_its_name_and_the_other_one_none(
    identifier: SpeakerIdentifier, talk: audio.Waveform
) -> None:
    found = identifier.identify(VIDEO, talk, audio.find_speech(talk))
    assert found.outcome == "full"
    assert {turn.speaker for turn in found.turns} == {"Marina", "Unknown 1"}
    for sentence in conversation().sentences:
        middle_s = (sentence.start_s + sentence.end_s) / 2
        names = {turn.speaker for turn in found.turns if turn.start_s <= middle_s <= turn.end_s}
        assert names == {sentence.speaker or "Unknown 1"}, sentence
    assert all(turn.rule and turn.vector is not None for turn in found.turns if turn.end_s - turn.start_s > 1)
    assert {turn.profile_version for turn in found.turns} == {1}


def test_one_enrolled_voice_throughout_takes_the_fast_path(
    identifier: SpeakerIdentifier, alone: audio.Waveform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> list[SpeakerTurn]:
        pytest.fail("the diarization was not left out")

    monkeypatch.setattr(Diarizer, "diarize", never)  # an adapter, not a decision of ours
    found = identifier.identify(VIDEO, alone, audio.find_speech(alone))
    assert found.outcome == "fast_path"
    assert {(turn.speaker, turn.rule) for turn in found.turns} == {("Marina", "fast_path")}


@pytest.mark.long
def test_a_second_voice_after_ten_minutes_takes_the_full_path(
    identifier: SpeakerIdentifier, waveforms: dict[str, audio.Waveform], alone: audio.Waveform
) -> None:
    late = np.concatenate([*[np.asarray(alone)] * 13, waveforms[samples()[1].title][: 20 * SAMPLE_RATE]])
    assert len(alone) * 13 > 600 * SAMPLE_RATE
    found = identifier.identify(VIDEO, late, audio.find_speech(late))
    assert found.outcome == "full"
    assert {turn.speaker for turn in found.turns} == {"Marina", "Unknown 1"}
    assert min(turn.start_s for turn in found.turns if turn.speaker == "Unknown 1") > 600


def test_a_profile_of_another_model_gives_no_names(diarizer: Diarizer, alone: audio.Waveform, tmp_path: Path) -> None:
    profiles = Profiles(tmp_path / "volume")
    profiles.keep(replace(enrolled(diarizer, alone), model_key="another@model"))
    found = SpeakerIdentifier(diarizer, profiles, THRESHOLDS).identify(VIDEO, alone, audio.find_speech(alone))
    assert found.outcome == "full"
    assert {turn.speaker for turn in found.turns} == {"Unknown 1"}


# -- loading ----------------------------------------------------------------------------------------------------------


def test_a_model_that_was_changed_is_not_loaded(tmp_path: Path) -> None:
    changed = tmp_path / "model"
    shutil.copytree(VOICE_MODEL, changed)
    with (changed / "embedding" / "pytorch_model.bin").open("ab") as file:
        file.write(b"x")
    with pytest.raises(IngestError, match="not the pinned") as caught:
        Diarizer(replace(OPTIONS, model=str(changed)))
    assert caught.value.code is Code.ENV_MODEL


@pytest.mark.parametrize(
    "model", [pytest.param("example/no-such-pipeline", id="not on the hub"), pytest.param("", id="an empty folder")]
)
def test_a_model_that_is_not_there_is_named(tmp_path: Path, model: str) -> None:
    with pytest.raises(IngestError, match=f"model {model or tmp_path}: ") as caught:
        Diarizer(replace(OPTIONS, model=model or str(tmp_path), sha256=None))
    assert caught.value.code is Code.ENV_MODEL


def test_thresholds_are_those_of_the_model_unless_they_are_set(tmp_path: Path) -> None:
    known = load(AsrSettings, diarization_model=str(VOICE_MODEL), voice_accept=0.9)
    assert speaker_models.thresholds(known) == THRESHOLDS.model_copy(update={"accept": 0.9})
    (tmp_path / "naming.json").write_text('{"accept": "high"}')
    with pytest.raises(ConfigurationError, match=r"naming\.json"):
        speaker_models.thresholds(load(AsrSettings, diarization_model=str(tmp_path)))


# -- the handler ------------------------------------------------------------------------------------------------------


class Broken:
    """A pipeline that fails, as one without memory does."""

    key = old_key = sha256 = old_sha256 = "broken"

    def diarize(self, _waveform: audio.Waveform, _speech: Sequence[Span], _bounds: Bounds) -> list[SpeakerTurn]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    def embed(self, _waveform: audio.Waveform, _selected: Sequence[Excerpt]) -> FloatArray:
        raise torch.OutOfMemoryError("CUDA out of memory")


class LostDevice(Broken):
    """A pipeline whose device is lost."""

    def diarize(self, _waveform: audio.Waveform, _speech: Sequence[Span], _bounds: Bounds) -> list[SpeakerTurn]:
        raise torch.AcceleratorError("CUDA error: unspecified launch failure")


@pytest.fixture(scope="module")
def transcriber() -> Iterator[Transcriber]:
    made = make_transcriber(load(AsrSettings, asr_model=str(ASR_MODEL), asr_device="cpu"))
    yield made
    made.batcher.close()


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


@pytest.fixture
def message(volume: Volume) -> AudioReady:
    sample = conversation()
    made = NewArtifact(sample.path, "audio", "ogg", sample.duration_s, "test", 1)
    source = Source(kind=SourceKind.MEDIA, url="http://example.org/a.ogg")
    return AudioReady(video_id=VIDEO, source=source, audio=volume.keep(VIDEO, made))


def test_segments_have_speakers_and_the_voiceprints_are_kept(
    identifier: SpeakerIdentifier, transcriber: Transcriber, volume: Volume, message: AudioReady, tmp_path: Path
) -> None:
    handler = Transcribe(volume, tmp_path / "scratch", transcriber, DecodeLimits(), LIMITS, identifier)
    done = handler(message, lambda _numbers: None)
    assert isinstance(done.message, TranscriptReady)
    written = transcript.read(volume.verified(done.message.transcript))
    assert {segment.speaker for segment in written.segments} == {"Marina", "Unknown 1"}
    assert {segment.speaker_score is not None for segment in written.segments} == {True}
    manifest = volume.manifest(VIDEO, "voices")
    assert manifest is not None
    assert voiceprints.read(volume.verified(manifest.artifact)).turns == written.turns
    assert (done.numbers["speakers"], done.numbers["diarization_failed"], done.numbers["fast_path"]) == (2, 0, 0)
    assert written.timings.diarize_s > 0
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_broken_diarizer_costs_the_speakers_and_not_the_transcript(
    transcriber: Transcriber, volume: Volume, message: AudioReady, tmp_path: Path
) -> None:
    broken = SpeakerIdentifier(Broken(), Profiles(tmp_path / "volume"), THRESHOLDS)
    handler = Transcribe(volume, tmp_path / "scratch", transcriber, DecodeLimits(), LIMITS, broken)
    done = handler(message, lambda _numbers: None)
    assert isinstance(done.message, TranscriptReady)
    assert (done.kind, done.code) == (EventKind.FINISHED, Code.DIARIZATION_FAILED)
    assert "out of memory" in done.text
    written = transcript.read(volume.verified(done.message.transcript))
    assert len(written.segments) > 10
    assert {segment.speaker for segment in written.segments} == {None}
    assert (written.turns, volume.manifest(VIDEO, "voices")) == (None, None)
    assert done.numbers["diarization_failed"] == 1


def test_a_lost_device_does_not_cost_the_speakers(
    transcriber: Transcriber, volume: Volume, message: AudioReady, tmp_path: Path
) -> None:
    lost = SpeakerIdentifier(LostDevice(), Profiles(tmp_path / "volume"), THRESHOLDS)
    handler = Transcribe(volume, tmp_path / "scratch", transcriber, DecodeLimits(), LIMITS, lost)
    with pytest.raises(IngestError) as caught:
        handler(message, lambda _numbers: None)
    assert (caught.value.code, lost.broken) == (Code.ENV_CUDA, "CUDA error: unspecified launch failure")
    assert volume.manifest(VIDEO, "transcript") is None


@pytest.mark.long
def test_another_pipeline_makes_a_new_transcript(
    identifier: SpeakerIdentifier, transcriber: Transcriber, volume: Volume, message: AudioReady, tmp_path: Path
) -> None:
    without = Transcribe(volume, tmp_path / "scratch", transcriber, DecodeLimits(), LIMITS)
    assert without(message, lambda _numbers: None).numbers["fresh"] == 1
    assert replace(without, identifier=identifier)(message, lambda _numbers: None).numbers["fresh"] == 1
    assert replace(without, identifier=identifier)(message, lambda _numbers: None).numbers["fresh"] == 0
