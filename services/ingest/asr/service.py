"""Puts the ASR service together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ingest.asr import gpu
from ingest.asr.handler import Transcribe
from ingest.asr.recognition.allocator import keep_freed_memory
from ingest.asr.recognition.transcriber import Refinement, Transcriber
from ingest.asr.recognition.whisper import Recognised, Recognizer, RecognizerOptions, Request, device_of
from ingest.asr.speakers import build as speaker_models
from ingest.shared.artifacts.volume import Volume
from ingest.shared.device.batcher import Batcher, BatchLimits
from ingest.shared.messages import AudioReady, Stage
from ingest.shared.sandbox import child
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import DecodeLimits
from ingest.shared.telemetry import metrics
from ingest.shared.telemetry.time_split import ASR_CAUSES, BLOCKED, DeviceTime
from ingest.shared.worker.service import Room
from ingest.shared.worker.stage import StageWork

if TYPE_CHECKING:
    from ingest.asr.settings import AsrSettings
    from ingest.shared.broker.nats_bus import NatsBus

GPU_SECONDS = "Time of the recognizer's device (a GPU, or a CPU) by what it does, or why it does nothing"
SAME_MODEL = "same"
BATCH_ON = {"cuda": 16, "cpu": 4}  # a CPU core has no idle lanes that a larger batch would fill


def build(settings: AsrSettings, _bus: NatsBus) -> Room:
    """Load the model, test it, and return the asr stage."""
    child.preload("ingest.shared.sandbox.decode", "ingest.asr.audio")
    device = device_of(settings.asr_device)
    if device == "cpu":
        keep_freed_memory()
    time = DeviceTime(ASR_CAUSES, device=device)
    metrics.show(metrics.StateSeconds("ingest_gpu_seconds", GPU_SECONDS, time.seconds))
    metrics.show(metrics.REAL_TIME_FACTOR, metrics.SEGMENTS, metrics.REFINED_SEGMENTS)
    transcriber = make_transcriber(settings, time)
    transcriber.recognizer.self_test()
    who = speaker_models.make(settings, device)
    time.ready()
    metrics.show(metrics.Batches("asr", [batcher.figures for batcher in transcriber.batchers]))
    figures = transcriber.batcher.figures
    gpu.export(settings.gpu_metrics, hostname=settings.node_name, busy_s=lambda: figures.busy_s)

    def deadline_s(message: AudioReady) -> float:
        return settings.asr_deadline_s + settings.asr_deadline_factor * message.audio.duration_s

    def broken() -> str | None:
        return transcriber.broken or (who.broken if who else None)

    handler = Transcribe(
        volume=Volume(settings.volume),
        scratch=settings.scratch,
        transcriber=transcriber,
        decode_limits=DecodeLimits(max_duration_s=settings.max_audio_s),
        child_limits=ChildLimits(settings.asr_deadline_s + settings.max_audio_s / 10),
        who=who,
    )
    work = StageWork(
        stage=Stage.ASR,
        model=AudioReady,
        handle=handler,
        deadline_s=deadline_s,
        slots=settings.asr_workers,
        held=broken,
        talking=partial(time.doing, BLOCKED),
        pausing=partial(time.doing, BLOCKED),
    )
    return Room(stages=(work,), broken=broken, stop=transcriber.batcher.close)


def make_transcriber(settings: AsrSettings, time: DeviceTime | None = None) -> Transcriber:
    """Load the model (and the one of the second pass) and return what transcribes with it; `time` sees the device."""
    time = time or DeviceTime(ASR_CAUSES)
    recognizer = _recognizer(settings, settings.asr_model, "asr")
    batcher = _batcher(settings, recognizer, time)
    refinement = None
    if settings.asr_refine_model is not None:
        same = settings.asr_refine_model == SAME_MODEL
        second = recognizer if same else _recognizer(settings, settings.asr_refine_model, "refine")
        refinement = Refinement(
            recognizer=second,
            batcher=batcher if same else _batcher(settings, second, time),
            logprob=settings.asr_refine_logprob,
            compression=settings.asr_refine_compression,
            no_speech=settings.asr_refine_no_speech,
        )
    return Transcriber(recognizer, batcher, settings.asr_language, refinement, time)


def _recognizer(settings: AsrSettings, model: str, role: str) -> Recognizer:
    options = RecognizerOptions(
        model=model,
        device=settings.asr_device,
        compute_type=settings.asr_compute_type,
        beam=settings.asr_beam,
        cpu_threads=settings.asr_cpu_threads,
    )
    with metrics.loading(role):
        return Recognizer(options)


def _batcher(settings: AsrSettings, recognizer: Recognizer, time: DeviceTime) -> Batcher[Request, Recognised]:
    return Batcher(
        recognizer.run,
        BatchLimits(settings.asr_batch or BATCH_ON[recognizer.device], settings.asr_batch_wait_s),
        length=lambda request: request.duration_s,
        group=lambda request: request.group,
        name="asr-device",
        around=time.running,
    )
