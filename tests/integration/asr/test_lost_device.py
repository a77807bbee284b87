"""A GPU that is lost during work: no attempt is counted, no new work starts, and the process exits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ingest.asr import service as asr
from ingest.asr.handler import Transcribe
from ingest.asr.settings import AsrSettings
from ingest.demo import ASR_MODEL, VOICE_MODEL
from ingest.embedder.handler import Embed
from ingest.embedder.settings import EmbedderSettings
from ingest.shared.errors import Code, IngestError, Outcome
from ingest.shared.sandbox.decode import SAMPLE_RATE
from ingest.shared.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.worker.service import ServiceSpec

VIDEO = "abcdefghijk"
LOST = "CUDA error: unspecified launch failure"


def lose(*_: object, **__: object) -> object:
    """Fail like a device whose context is lost."""
    import torch

    raise torch.AcceleratorError(f"{LOST}\nCUDA kernel errors might be asynchronously reported at some other API call")


def reasons(service: ServiceSpec) -> set[str | None]:
    """Return the reasons why a service starts no work, and why it exits."""
    return {service.broken(), *(work.held() for work in service.stages)}


def test_the_embedder_exits_and_no_attempt_is_counted(
    bus: NatsBus, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentence_transformers import SentenceTransformer

    from ingest.embedder import service as embedder

    service = embedder.build(load(EmbedderSettings, database_url=database_url, volume_path=tmp_path), bus)
    (work,) = service.stages
    assert isinstance(work.handle, Embed)
    try:
        assert reasons(service) == {None}
        monkeypatch.setattr(SentenceTransformer, "encode", lose)
        with pytest.raises(IngestError, match=LOST) as caught:
            work.handle.batcher.submit("a text").result(20)
        assert (caught.value.code, caught.value.rule.outcome) == (Code.ENV_CUDA, Outcome.POSTPONED)
        assert reasons(service) == {LOST}
    finally:
        service.stop()


def test_asr_exits_when_the_device_is_lost_during_diarization(
    bus: NatsBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyannote.audio.pipelines import SpeakerDiarization

    models = {"asr_model": str(ASR_MODEL), "diarization_model": str(VOICE_MODEL)}
    service = asr.build(load(AsrSettings, asr_device="cpu", volume_path=tmp_path, **models), bus)
    (work,) = service.stages
    assert isinstance(work.handle, Transcribe)
    identifier = work.handle.identifier
    assert identifier is not None
    try:
        assert reasons(service) == {None}
        monkeypatch.setattr(SpeakerDiarization, "apply", lose)
        noise = np.random.default_rng(0).standard_normal(5 * SAMPLE_RATE, dtype=np.float32) * np.float32(0.1)
        with pytest.raises(IngestError, match=LOST) as caught:
            identifier.identify(VIDEO, noise, [])
        assert caught.value.code is Code.ENV_CUDA
        assert reasons(service) == {LOST}
    finally:
        service.stop()
