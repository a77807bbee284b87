"""Which thresholds keep strangers out: the scores of labelled voices with their own profiles and with those of others.

Each voice is divided: every second vector makes its profile, the rest asks to be recognised. Asked with its own profile
it is a target, with another's an impostor. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ingest.asr.speakers.matching import scores
from ingest.asr.speakers.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingest.asr.speakers.vectors import FloatArray

LEAST_VOICES = 2
LEAST_VECTORS = 6  # of a voice: three for its profile, three that ask
ALLOWED_FALSE_ACCEPTS = 0.005
MARGIN_PERCENTILE = 1.0


@dataclass(frozen=True)
class Point:
    """At a threshold, the share of impostors that are accepted, and of targets that are refused."""

    accept: float
    false_accepts: float
    false_rejects: float


@dataclass(frozen=True, eq=False)
class Calibration:
    """The scores of targets and impostors, what thresholds would do, and which are proposed."""

    targets: FloatArray
    impostors: FloatArray
    points: tuple[Point, ...]
    accept: float
    margin: float

    @property
    def proposed(self) -> Point:
        """Return what the proposed threshold does."""
        return point(self.accept, self.targets, self.impostors)


def calibrate(voices: Mapping[str, FloatArray]) -> Calibration:
    """Return the calibration of labelled vectors (count, dimension); raise ValueError when there are too few.

    The proposed threshold lies midway between the highest impostors and the lowest targets where these are apart, and
    otherwise where the allowed share of impostors is accepted. The margin is half of what targets are ahead by.
    """
    if len(voices) < LEAST_VOICES or any(len(vectors) < LEAST_VECTORS for vectors in voices.values()):
        raise ValueError(f"calibration takes {LEAST_VOICES} voices with {LEAST_VECTORS} vectors each")
    profiles = {name: unit(vectors[::2]) for name, vectors in voices.items()}
    targets, impostors, ahead = [], [], []
    for name, vectors in voices.items():
        asking = unit(vectors[1::2])
        own = scores(asking, profiles[name])
        others = np.stack([scores(asking, profile) for other, profile in profiles.items() if other != name])
        targets.append(own)
        impostors.append(others.ravel())
        ahead.append(own - others.max(axis=0))
    target, impostor = np.concatenate(targets), np.concatenate(impostors)
    safe = float(np.quantile(impostor, 1 - ALLOWED_FALSE_ACCEPTS))
    lowest = float(np.quantile(target, ALLOWED_FALSE_ACCEPTS))
    accept = round((safe + lowest) / 2 if lowest > safe else safe, 3)
    margin = round(max(0.0, float(np.percentile(np.concatenate(ahead), MARGIN_PERCENTILE)) / 2), 3)
    steps = np.arange(0.3, 1.0, 0.1)
    return Calibration(
        target, impostor, tuple(point(round(float(step), 2), target, impostor) for step in steps), accept, margin
    )


def point(accept: float, targets: FloatArray, impostors: FloatArray) -> Point:
    """Return what a threshold does to scores."""
    return Point(accept, float((impostors >= accept).mean()), float((targets < accept).mean()))
