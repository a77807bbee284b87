"""Builds the transcriber from the settings, for the service and the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ingest.asr.device import default_threads, device_of
from ingest.asr.recognition.model_files import SAME_MODEL
from ingest.asr.recognition.transcriber import Refinement, Transcriber
from ingest.asr.recognition.whisper import ChunkTranscript, Recognizer, RecognizerOptions, Request
from ingest.shared.device.batcher import Batcher, BatchLimits
from ingest.shared.telemetry import metrics
from ingest.shared.telemetry.time_split import ASR_CAUSES, DeviceTime

if TYPE_CHECKING:
    from ingest.asr.device import Device
    from ingest.asr.settings import AsrSettings

Read = Callable[[Sequence[Request]], Sequence[ChunkTranscript]]

BATCH_ON: dict[Device, int] = {"cuda": 16, "cpu": 1}  # a CPU core has no idle lanes that a larger batch would fill


def make_transcriber(
    settings: AsrSettings, time: DeviceTime | None = None, around: Callable[[Read], Read] = lambda read: read
) -> Transcriber:
    """Load the recognizer, and that of the second pass, and return the transcriber.

    `time` measures the device; `around` returns what answers requests in the place of a recognizer.
    """
    time = time or DeviceTime(ASR_CAUSES)
    device = device_of(settings.asr_device)
    recognizer = _recognizer(recognizer_options(settings, device), "asr")
    batcher = _batcher(settings, recognizer, time, around)
    refinement = None
    if settings.asr_refine_model is not None:
        same = settings.asr_refine_model == SAME_MODEL
        second = recognizer if same else _second_recognizer(settings, device)
        refinement = Refinement(
            recognizer=second,
            batcher=batcher if same else _batcher(settings, second, time, around),
            logprob=settings.asr_refine_logprob,
            compression=settings.asr_refine_compression,
            no_speech=settings.asr_refine_no_speech,
        )
    return Transcriber(recognizer, batcher, settings.asr_language, refinement, time)


def recognizer_options(settings: AsrSettings, device: Device, model: str | None = None) -> RecognizerOptions:
    """Return the options of the recognizer, or those of another model with the same decoding."""
    return RecognizerOptions(
        model=model or settings.asr_model,
        device=device,
        compute_type=settings.asr_compute_type,
        beam=settings.asr_beam,
        cpu_threads=settings.asr_cpu_threads or default_threads(),
        revision=settings.asr_revision if model is None else None,
    )


def _second_recognizer(settings: AsrSettings, device: Device) -> Recognizer:
    return _recognizer(recognizer_options(settings, device, settings.asr_refine_model), "refine")


def _recognizer(options: RecognizerOptions, role: str) -> Recognizer:
    with metrics.loading(role):
        return Recognizer(options)


def _batcher(
    settings: AsrSettings, recognizer: Recognizer, time: DeviceTime, around: Callable[[Read], Read]
) -> Batcher[Request, ChunkTranscript]:
    return Batcher(
        around(recognizer.run),
        BatchLimits(settings.asr_batch or BATCH_ON[recognizer.device], settings.asr_batch_wait_s),
        length=lambda request: request.duration_s,
        group=lambda request: request.group,
        name="asr-device",
        around=time.running,
        threads=recognizer.threads,
    )
