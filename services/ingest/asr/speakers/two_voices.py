"""One voice or two? The vectors of a profile fall into two halves; how alike these are says how pure it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ingest.asr.speakers.vectors import unit

if TYPE_CHECKING:
    from ingest.asr.speakers.vectors import FloatArray

ROUNDS = 20
LEAST_SHARE = 0.03  # a smaller half is a cough, not a voice


@dataclass(frozen=True)
class Halves:
    """How alike (cosine) the two halves of some vectors are, and the share of the smaller one."""

    purity: float
    smaller: float


def halves(vectors: FloatArray) -> Halves:
    """Return the halves of vectors (count, dimension): two means on the sphere, from the two that differ most."""
    points = unit(vectors)
    if len(points) < 2:  # noqa: PLR2004 (one has no halves)
        return Halves(1.0, 0.0)
    first, second = np.unravel_index(int(np.argmin(points @ points.T)), (len(points), len(points)))
    means = points[[first, second]]
    for _ in range(ROUNDS):
        in_second = (points @ means.T).argmax(axis=1) == 1
        if in_second.all() or not in_second.any():
            return Halves(1.0, 0.0)
        means = unit(np.stack([points[~in_second].mean(axis=0), points[in_second].mean(axis=0)]))
    smaller = float(min(in_second.mean(), 1 - in_second.mean()))
    if smaller < LEAST_SHARE or smaller * len(points) < 2:  # noqa: PLR2004 (a single piece is no voice)
        return Halves(1.0, smaller)
    return Halves(float(means[0] @ means[1]), smaller)
