"""Builds the asr service from its settings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ingest.asr import gpu
from ingest.asr.counters import count
from ingest.asr.device import device_of
from ingest.asr.handler import Transcribe, input_file
from ingest.asr.recognition.allocator import keep_freed_memory
from ingest.asr.recognition.build import make_transcriber
from ingest.asr.recognition.canary import Canary, request, verify
from ingest.asr.speakers import build as speaker_models
from ingest.shared import pipeline
from ingest.shared.homes.chosen import volume_of
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import DecodeLimits
from ingest.shared.telemetry import metrics
from ingest.shared.telemetry.time_split import ASR_CAUSES, BLOCKED, BUSY, DeviceTime
from ingest.shared.worker.service import ServiceSpec
from ingest.shared.worker.stage import StageWork

if TYPE_CHECKING:
    from ingest.asr.recognition.transcriber import Transcriber
    from ingest.asr.settings import AsrSettings
    from ingest.asr.speakers.identifier import SpeakerIdentifier
    from ingest.shared.broker.nats_bus import NatsBus
    from ingest.shared.messages import AudioReady

GPU_SECONDS = "Time of the recognizer's device (a GPU, or a CPU) by what it does, or why it does nothing"


def build(settings: AsrSettings, _bus: NatsBus) -> ServiceSpec:
    """Load the models, test the device, and return the asr stage."""
    device = device_of(settings.asr_device)
    if device == "cpu":
        keep_freed_memory()
    time = DeviceTime(ASR_CAUSES, device=device)
    metrics.show(metrics.StateSeconds("ingest_gpu_seconds", GPU_SECONDS, time.seconds))
    metrics.show(metrics.REAL_TIME_FACTOR, metrics.SEGMENTS, metrics.REFINED_SEGMENTS, metrics.UNREAD_SPEECH)
    transcriber = make_transcriber(settings, time)
    canary = _canary(settings, transcriber)
    identifier = speaker_models.make(settings, device)
    time.ready()
    _export_device_metrics(settings, transcriber)
    work = _stage(settings, transcriber, identifier)

    def stop() -> None:
        canary.stop()
        transcriber.batcher.close()

    return ServiceSpec(stages=(work,), broken=work.held, stop=stop)


def _canary(settings: AsrSettings, transcriber: Transcriber) -> Canary:
    """Check that the device recognises speech, now and every hour, unless that is switched off."""
    recognizer = transcriber.recognizer

    def failed(reason: str) -> None:
        recognizer.broken = reason

    canary = Canary(lambda: transcriber.batcher.submit(request(recognizer)), failed, metrics.CANARY.set)
    if settings.asr_canary:
        verify(recognizer)
        metrics.show(metrics.CANARY)
        canary.start()
    return canary


def _stage(
    settings: AsrSettings, transcriber: Transcriber, identifier: SpeakerIdentifier | None
) -> StageWork[AudioReady]:
    """Return the stage with its handler; it takes no messages while its device is lost."""

    def deadline_s(message: AudioReady) -> float:
        return settings.asr_deadline_s + settings.asr_deadline_factor * message.audio.duration_s

    def broken() -> str | None:
        return transcriber.broken or (identifier.broken if identifier else None)

    volume = volume_of(settings)
    handler = Transcribe(
        volume=volume,
        scratch=settings.scratch,
        transcriber=transcriber,
        decode_limits=DecodeLimits(max_duration_s=settings.max_audio_s),
        child_limits=ChildLimits(settings.asr_deadline_s + settings.max_audio_s / 10),
        identifier=identifier,
        observe=count,
    )
    return StageWork(
        spec=pipeline.ASR,
        handle=handler,
        deadline_s=deadline_s,
        slots=settings.asr_workers,
        input_file=input_file(volume),
        held=broken,
        talking=partial(transcriber.time.doing, BLOCKED),
        pausing=partial(transcriber.time.doing, BLOCKED),
    )


def _export_device_metrics(settings: AsrSettings, transcriber: Transcriber) -> None:
    metrics.show(metrics.Batches("asr", [batcher.figures for batcher in transcriber.batchers]))
    gpu.export(settings.gpu_metrics, hostname=settings.node_name, busy_s=lambda: transcriber.time.seconds()[BUSY])
