"""Weighs the votes of chunks for the speaker of a moment, so that a tie goes to the likelier speaker. Pure.

About ten chunks of a diarization hold a moment, and each votes for the cluster of its speaker. Where two clusters have
equally many votes, pyannote.audio takes the one with the lower number. The numbers are arbitrary, and an embedding that
changes by a thousandth can change them. With these weights, the votes of clear embeddings decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ingest.asr.speakers.vectors import l2_normalize

if TYPE_CHECKING:
    import numpy.typing as npt

    from ingest.asr.speakers.vectors import FloatArray

MOST = 0.02  # that a clear vote weighs more: ten of them do not outweigh a vote


def weights(vectors: FloatArray, clusters: npt.NDArray[np.integer]) -> FloatArray:
    """Return the weight of each vote (chunks, speakers), 1 to 1 + MOST, by how far its own cluster is the nearest one.

    `vectors` have the shape (chunks, speakers, dimension). A speaker without speech has a negative cluster.
    """
    numbers = np.unique(clusters[clusters >= 0])
    if len(numbers) < 2:  # noqa: PLR2004 (there is no second cluster)
        return np.ones(clusters.shape, dtype=np.float32)
    units = l2_normalize(vectors)
    centres = l2_normalize(np.stack([units[clusters == number].mean(axis=0) for number in numbers]))
    cosines = units @ centres.T
    is_own = clusters[..., None] == numbers
    margins = np.where(is_own, cosines, -1).max(axis=-1) - np.where(is_own, -1, cosines).max(axis=-1)
    return np.asarray(1 + MOST * np.clip(margins, 0, 2) / 2, dtype=np.float32)
