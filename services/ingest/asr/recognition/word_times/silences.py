"""Finds the short silences in speech by its loudness. Pure.

The voice activity detection leaves pauses of up to 0.3 s in a span of speech. The alignment gives such a silence to the
word behind it, which then seems to begin early.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ingest.asr.spans import Span
from ingest.shared.sandbox.decode import SAMPLE_RATE

if TYPE_CHECKING:
    from ingest.asr.audio import Waveform

FRAME_S = 0.01
FRAME = int(FRAME_S * SAMPLE_RATE)
SHORTEST_S = 0.1  # less is the closure of a consonant
LOUD, SOFT = 95, 5  # percentiles of the frames: speech, and what is there between words
ABOVE_SOFT_DB = 10.0
LEAST_BELOW_LOUD_DB = 20.0
MOST_BELOW_LOUD_DB = 35.0
FAINTEST = 1e-10  # power, of a full scale of 1


def silences(samples: Waveform, start_s: float) -> list[Span]:
    """Return the silences in samples that begin at `start_s`, in order.

    They are as faint as the faintest frames, or a little more, and far below the loudest ones.
    """
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    if not len(frames):
        return []
    power = np.square(frames).mean(axis=1)
    level_db = 10 * np.log10(power + FAINTEST)
    loud_db, soft_db = np.percentile(level_db, (LOUD, SOFT))
    limit_db = np.clip(soft_db + ABOVE_SOFT_DB, loud_db - MOST_BELOW_LOUD_DB, loud_db - LEAST_BELOW_LOUD_DB)
    edges = np.flatnonzero(np.diff(level_db < limit_db, prepend=False, append=False))
    return [
        Span(start_s + float(first) * FRAME_S, start_s + float(last) * FRAME_S)
        for first, last in edges.reshape(-1, 2)
        if (last - first) * FRAME_S >= SHORTEST_S
    ]
