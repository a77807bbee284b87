"""Detects a profile that holds two voices: its vectors are divided into two halves, which are compared. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ingest.asr.speakers.vectors import l2_normalize

if TYPE_CHECKING:
    from ingest.asr.speakers.vectors import FloatArray

ROUNDS = 20
MIN_SHARE = 0.03  # a smaller half is noise, not a second speaker


@dataclass(frozen=True)
class Halves:
    """The cosine of the two halves of some vectors, and the share of the smaller half."""

    similarity: float
    smaller_share: float


def halves(vectors: FloatArray) -> Halves:
    """Divide vectors (count, dimension) by spherical 2-means, which starts from the two that differ most."""
    points = l2_normalize(vectors)
    if len(points) < 2:  # noqa: PLR2004 (one vector has no halves)
        return Halves(1.0, 0.0)
    first, second = np.unravel_index(int(np.argmin(points @ points.T)), (len(points), len(points)))
    means = points[[first, second]]
    for _ in range(ROUNDS):
        in_second = (points @ means.T).argmax(axis=1) == 1
        if in_second.all() or not in_second.any():
            return Halves(1.0, 0.0)
        means = l2_normalize(np.stack([points[~in_second].mean(axis=0), points[in_second].mean(axis=0)]))
    smaller_share = float(min(in_second.mean(), 1 - in_second.mean()))
    if smaller_share < MIN_SHARE or smaller_share * len(points) < 2:  # noqa: PLR2004 (a single vector is no voice)
        return Halves(1.0, smaller_share)
    return Halves(float(means[0] @ means[1]), smaller_share)
