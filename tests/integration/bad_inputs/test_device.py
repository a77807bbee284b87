"""Rows 50 to 52 of the bad inputs: a device that is too small or broken, and a diarization that fails.

There is no GPU here: CTranslate2 says its real words through the real recognizer, from the place where the GPU would
have said them. (Row 52 with the real pipeline is in tests/integration/asr/test_diarization.py.)
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest
from faster_whisper import WhisperModel

from ingest.asr import service
from ingest.asr.handler import Transcribe
from ingest.asr.recognition.build import make_transcriber
from ingest.asr.settings import AsrSettings
from ingest.asr.sound import WholeSound
from ingest.asr.spans import Span
from ingest.asr.speakers import build as speaker_models
from ingest.asr.speakers.identifier import SpeakerIdentifier
from ingest.asr.speakers.profiles import Profiles
from ingest.demo import ASR_MODEL, samples
from ingest.shared.artifacts import transcript
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.broker.topology import INPUT_OF
from ingest.shared.errors import Code, IngestError, Outcome
from ingest.shared.messages import AudioReady, EventKind, Source, SourceKind, Stage, TranscriptReady, decode
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import SAMPLE_RATE, DecodeLimits
from ingest.shared.settings import load
from tests.integration.bad_inputs.conftest import GOOD_ID, VIDEO_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy.typing as npt

    from ingest.asr.recognition.transcriber import Transcriber
    from ingest.asr.speakers.windows import SpeakerTurn
    from ingest.shared.broker.nats_bus import NatsBus
    from tests.support.stage_line import Line

OUT_OF_MEMORY = "CUDA failed with error out of memory"
SPEECH_S = 12.0
COMPANY_S = 30.0  # a full batch starts at once; on a busy machine its last chunk may be late

encode = WhisperModel.encode


@contextmanager
def transcribing(**settings: object) -> Iterator[Transcriber]:
    made = make_transcriber(load(AsrSettings, asr_model=str(ASR_MODEL), asr_device="cpu", asr_batch=4, **settings))
    try:
        yield made
    finally:
        made.batcher.close()


@pytest.fixture
def transcriber() -> Iterator[Transcriber]:
    with transcribing() as made:
        yield made


def device_that_takes(most: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the device refuse batches of more than `most` chunks; return the list of those that it is asked for."""
    asked: list[int] = []

    def run(model: WhisperModel, features: npt.NDArray[np.float32]) -> object:
        asked.append(len(features))
        if len(features) > most:
            raise RuntimeError(OUT_OF_MEMORY)
        return encode(model, features)

    monkeypatch.setattr(WhisperModel, "encode", run)
    return asked


def handler(folder: Path, transcriber: Transcriber, identifier: SpeakerIdentifier | None = None) -> Transcribe:
    return Transcribe(
        Volume(folder / "volume"), folder / "scratch", transcriber, DecodeLimits(), ChildLimits(60), identifier
    )


def ready(volume: Volume, video_id: str = VIDEO_ID) -> AudioReady:
    sample = samples()[0]
    artifact = volume.keep(video_id, NewArtifact(sample.path, "audio", "ogg", sample.duration_s, "test", 1))
    source = Source(kind=SourceKind.MEDIA, url="http://example.org/a.ogg")
    return AudioReady(video_id=video_id, source=source, audio=artifact)


@pytest.mark.parametrize("most", [pytest.param(2, id="50 four chunks at once are too many")])
def test_a_device_without_room_gets_smaller_batches(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    asked = device_that_takes(most, monkeypatch)
    speech = [Span(40.0 * number, 40.0 * number + SPEECH_S) for number in range(4)]
    noise = np.random.default_rng(0).standard_normal(160 * SAMPLE_RATE, dtype=np.float32) * np.float32(0.01)
    with transcribing(asr_batch_wait_s=COMPANY_S) as transcriber:
        transcriber.transcribe(WholeSound(noise, speech), lambda _: None)
    assert max(asked) == 4
    assert [size for size in asked if size <= most][:2] == [2, 2]  # the next ones read gaps of the text again
    assert transcriber.batcher.figures.out_of_memory == 1


@pytest.mark.parametrize("most", [pytest.param(0, id="50 not one chunk fits")])
def test_a_recording_for_which_there_is_no_room_is_tried_again_and_then_a_dead_letter(
    transcriber: Transcriber, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, most: int
) -> None:
    device_that_takes(most, monkeypatch)
    transcribe = handler(tmp_path, transcriber)
    with pytest.raises(IngestError, match=OUT_OF_MEMORY) as caught:
        transcribe(ready(transcribe.volume), lambda _: None)
    assert (caught.value.code, caught.value.rule.outcome) == (Code.GPU_OOM, Outcome.TRANSIENT)
    assert caught.value.rule.attempts == 3


BROKEN = [
    pytest.param("CUDA failed with error unspecified launch failure", id="51 a lost device"),
    pytest.param("cuDNN failed with status CUDNN_STATUS_NOT_INITIALIZED", id="51 another cuDNN"),
    pytest.param("CUDA driver version is insufficient for CUDA runtime version", id="51 an old driver"),
]


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_device_refuses_to_start(monkeypatch: pytest.MonkeyPatch, bus: NatsBus, text: str) -> None:
    def fail(*_: object, **__: object) -> object:
        raise RuntimeError(text)

    monkeypatch.setattr(WhisperModel, "encode", fail)
    settings = load(AsrSettings, asr_model=str(ASR_MODEL), asr_device="cpu")
    with pytest.raises(IngestError, match=text) as caught:
        service.build(settings, bus)
    assert (caught.value.code, caught.value.rule.outcome) == (Code.ENV_CUDA, Outcome.POSTPONED)


@pytest.mark.parametrize("text", BROKEN)
def test_a_device_that_breaks_at_work_costs_no_attempt_and_ends_the_worker(
    transcriber: Transcriber, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    def fail(*_: object, **__: object) -> object:
        raise RuntimeError(text)

    monkeypatch.setattr(WhisperModel, "encode", fail)
    transcribe = handler(tmp_path, transcriber)
    with pytest.raises(IngestError, match=text) as caught:
        transcribe(ready(transcribe.volume), lambda _: None)
    assert (caught.value.code, caught.value.rule.outcome) == (Code.ENV_CUDA, Outcome.POSTPONED)
    assert transcriber.recognizer.broken == text


class Failing:
    """What should hear voices, and does not."""

    key = old_key = sha256 = old_sha256 = "failing"

    def diarize(self, *_: object) -> list[SpeakerTurn]:
        raise RuntimeError(OUT_OF_MEMORY)

    def embed(self, *_: object) -> npt.NDArray[np.float32]:
        raise RuntimeError(OUT_OF_MEMORY)


@pytest.mark.parametrize("video_id", [pytest.param(VIDEO_ID, id="52 diarization without memory")])
def test_a_failed_diarization_costs_the_speakers_alone(
    transcriber: Transcriber, tmp_path: Path, line: Line, wait_until: Callable[..., None], video_id: str
) -> None:
    identifier = SpeakerIdentifier(
        Failing(), Profiles(tmp_path / "volume"), speaker_models.thresholds(load(AsrSettings))
    )
    transcribe = handler(tmp_path, transcriber, identifier)
    line.start(Stage.ASR, transcribe)
    line.send(ready(transcribe.volume, video_id), ready(transcribe.volume, GOOD_ID))
    wait_until(lambda: len(line.ended()) == 2, 60.0)
    assert line.ended() == dict.fromkeys((video_id, GOOD_ID), (EventKind.FINISHED, Code.DIARIZATION_FAILED))
    first = decode(TranscriptReady, line.queued(INPUT_OF[Stage.EMBEDDER])[0])
    said = transcript.read(transcribe.volume.verified(first.transcript))
    assert said.segments
    assert {segment.speaker for segment in said.segments} == {None}
