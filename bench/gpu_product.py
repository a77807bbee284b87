"""The product's own recognizer on a card, as far as `bench.gpu` measures it: real weights, and the bundled samples."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from bench.gpu_workers import Job, Measurement

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from bench.gpu_counters import Card
    from ingest.asr.recognition.transcriber import Transcriber
    from ingest.asr.sound import WholeSound

KIND = "--model, by the product"
REPEATS = 8  # of the samples, in one recording


def measured(options: argparse.Namespace, card: Card) -> Iterator[Measurement]:
    """Yield each size of batches with each number of recordings in work; nothing without CTranslate2."""
    try:
        import ctranslate2  # noqa: F401 (is it there)
    except ImportError:
        return
    sound = _sound()
    for batch in options.batches:
        transcriber = _transcriber(options.model, batch, options.beam)
        try:
            for workers in options.workers:
                yield _measured(transcriber, sound, Job(KIND, batch), workers, options.seconds, card)
        finally:
            transcriber.batcher.close()


def _measured(
    transcriber: Transcriber, sound: WholeSound, job: Job, workers: int, seconds: float, card: Card
) -> Measurement:
    before, began = transcriber.time.seconds(), time.monotonic()

    def read() -> float:
        audio_s = 0.0
        while time.monotonic() - began < seconds:
            transcriber.transcribe(sound, lambda _seconds: None)
            audio_s += len(sound) / 16_000
        return audio_s

    with card.watched() as activity, ThreadPoolExecutor(workers) as threads:
        audio_s = sum(future.result() for future in [threads.submit(read) for _ in range(workers)])
    took_s = time.monotonic() - began
    spent = {state: value - before.get(state, 0.0) for state, value in transcriber.time.seconds().items()}
    return Measurement(job, workers, audio_s, took_s, spent["busy"], took_s - spent["busy"], activity)


def _transcriber(model: str, batch: int, beam: int) -> Transcriber:
    from ingest.asr.recognition.build import make_transcriber
    from ingest.asr.settings import AsrSettings
    from ingest.shared.settings import load

    made = make_transcriber(load(AsrSettings, asr_model=model, asr_batch=batch, asr_beam=beam))
    made.time.ready()
    return made


def _sound() -> WholeSound:
    import numpy as np

    from bench.voice_embeddings import read
    from ingest.asr import audio
    from ingest.asr.sound import WholeSound
    from ingest.demo import samples

    waveform = np.concatenate([read(sample.path) for sample in samples()] * REPEATS)
    return WholeSound(waveform, audio.find_speech(waveform))
