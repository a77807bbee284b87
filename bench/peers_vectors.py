"""Vectors of many short recordings: shared batches, against one call of the model for each recording."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ingest.demo import samples
from ingest.embedder.settings import EmbedderSettings
from ingest.shared.device.batcher import Batcher, BatchLimits
from ingest.shared.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingest.embedder.text_model.encoder import Encoder, Vector

OURS, ALONE = "shared batches", "one call for each recording"
MOST_PASSAGES = 8  # of a recording
SENTENCES = 6  # of a passage
LEAST_COSINE = 0.999


def recordings(count: int, seed: int) -> list[list[str]]:
    """Return the passages of made-up recordings."""
    rng = random.Random(seed)
    sentences = [sentence.text for sample in samples() for sentence in sample.sentences]
    return [
        [" ".join(rng.choices(sentences, k=rng.randint(1, SENTENCES))) for _ in range(rng.randint(1, MOST_PASSAGES))]
        for _ in range(count)
    ]


def measured(count: int, rounds: int, seed: int) -> dict[str, list[tuple[float, float]]]:
    """Return wall and CPU seconds of each round and way. Raise AssertionError when their vectors differ."""
    from ingest.embedder.text_model.encoder import load as load_encoder  # seconds of imports

    settings = load(EmbedderSettings, embedding_device="cpu")
    encoder = load_encoder(settings)
    texts = recordings(count, seed)
    ways: dict[str, Callable[[], list[Vector]]] = {
        OURS: lambda: _shared(encoder, settings, texts),
        ALONE: lambda: [vector for some in texts for vector in encoder.run(some)],
    }
    found = {name: way() for name, way in ways.items()}  # the first round is thrown away
    if min(float(one @ other) for one, other in zip(*found.values(), strict=True)) < LEAST_COSINE:
        raise AssertionError("the ways have made different vectors")
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            wall, cpu = time.monotonic(), time.process_time()
            way()
            taken[name].append((time.monotonic() - wall, time.process_time() - cpu))
    return taken


def _shared(encoder: Encoder, settings: EmbedderSettings, texts: Sequence[list[str]]) -> list[Vector]:
    limits = BatchLimits(settings.embedding_batch_size, settings.embedding_batch_wait_s)
    batcher = Batcher(encoder.run, limits, length=lambda text: float(len(text)))
    try:
        with ThreadPoolExecutor(settings.db_workers) as pool:
            return [vector for some in pool.map(lambda one: list(batcher.map(one)), texts) for vector in some]
    finally:
        batcher.close()
