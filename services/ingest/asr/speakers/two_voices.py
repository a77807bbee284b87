"""Detects two voices among vectors: these are divided into two halves, which are compared. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingest.asr.speakers.vectors import l2_normalize

if TYPE_CHECKING:
    from ingest.asr.speakers.vectors import FloatArray

    Mask = npt.NDArray[np.bool_]

ROUNDS = 20
MIN_SHARE = 0.03  # a smaller half is noise, not a second speaker
MOST_OUTLYING = 0.2  # more of the vectors are a second voice, and no turns that went to the wrong speaker


@dataclass(frozen=True)
class Halves:
    """The cosine of the two halves of some vectors, and the share of the smaller half."""

    similarity: float
    smaller_share: float


def halves(vectors: FloatArray) -> Halves:
    """Return the halves of vectors (count, dimension); their similarity is 1.0 where the smaller is tiny."""
    similarity, is_smaller = _divided(l2_normalize(vectors))
    share = float(is_smaller.mean()) if len(is_smaller) else 0.0
    is_noise = share < MIN_SHARE or is_smaller.sum() < 2  # noqa: PLR2004 (a single vector is no voice)
    return Halves(1.0 if is_noise else similarity, share)


def outlying(vectors: FloatArray, same_voice: float) -> Mask:
    """Return which vectors belong to other voices than the most: none where these are many, as of two speakers.

    The smaller half is left out as long as its cosine to the other is below `same_voice`.
    """
    points = l2_normalize(vectors)
    is_left_out = np.zeros(len(points), dtype=bool)
    for _ in range(ROUNDS):
        rest = np.flatnonzero(~is_left_out)
        similarity, is_smaller = _divided(points[rest])
        if similarity >= same_voice:
            return is_left_out
        is_left_out[rest[is_smaller]] = True
        if is_left_out.mean() > MOST_OUTLYING:
            break
    return np.zeros(len(points), dtype=bool)


def _divided(points: FloatArray) -> tuple[float, Mask]:
    """Divide points by spherical 2-means, which starts from the two that differ most.

    Return the cosine of the two means, and which points are in the smaller half; 1.0 and none where all are alike.
    """
    alike = 1.0, np.zeros(len(points), dtype=bool)
    if len(points) < 2:  # noqa: PLR2004 (one vector has no halves)
        return alike
    first, second = np.unravel_index(int(np.argmin(points @ points.T)), (len(points), len(points)))
    means = points[[first, second]]
    for _ in range(ROUNDS):
        in_second = (points @ means.T).argmax(axis=1) == 1
        if in_second.all() or not in_second.any():
            return alike
        means = l2_normalize(np.stack([points[~in_second].mean(axis=0), points[in_second].mean(axis=0)]))
    return float(means[0] @ means[1]), in_second if in_second.mean() <= 0.5 else ~in_second  # noqa: PLR2004 (half)
