"""Proposes thresholds from the scores of labelled voices with their own profile and with those of other voices. Pure.

The vectors of each voice are divided: every second one makes the profile, the others are trials. A trial is a target
against the profile of its own voice, and an impostor against any other profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ingest.asr.speakers.matching import scores
from ingest.asr.speakers.vectors import l2_normalize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingest.asr.speakers.vectors import FloatArray

MIN_VOICES = 2
MIN_VECTORS = 6  # of a voice: three for its profile, three trials
ALLOWED_FALSE_ACCEPTS = 0.005
MARGIN_PERCENTILE = 1.0


@dataclass(frozen=True)
class Point:
    """The share of impostors that a threshold accepts, and the share of targets that it rejects."""

    accept: float
    false_accepts: float
    false_rejects: float


@dataclass(frozen=True, eq=False)
class Calibration:
    """The scores of targets and impostors, the error rates of several thresholds, and the proposed ones."""

    targets: FloatArray
    impostors: FloatArray
    points: tuple[Point, ...]
    accept: float
    margin: float

    @property
    def proposed(self) -> Point:
        """Return the error rates of the proposed threshold."""
        return point(self.accept, self.targets, self.impostors)


def calibrate(voices: Mapping[str, FloatArray]) -> Calibration:
    """Return the calibration of labelled vectors (count, dimension); raise ValueError when there are too few.

    The proposed threshold lies midway between the highest impostors and the lowest targets where these do not overlap.
    Otherwise it accepts the allowed share of impostors. The proposed margin is half of the lowest lead of the targets.
    """
    if len(voices) < MIN_VOICES or any(len(vectors) < MIN_VECTORS for vectors in voices.values()):
        raise ValueError(f"calibration needs {MIN_VOICES} voices with {MIN_VECTORS} vectors each")
    profiles = {name: l2_normalize(vectors[::2]) for name, vectors in voices.items()}
    targets, impostors, leads = [], [], []
    for name, vectors in voices.items():
        trials = l2_normalize(vectors[1::2])
        own = scores(trials, profiles[name])
        others = np.stack([scores(trials, profile) for other, profile in profiles.items() if other != name])
        targets.append(own)
        impostors.append(others.ravel())
        leads.append(own - others.max(axis=0))
    target, impostor = np.concatenate(targets), np.concatenate(impostors)
    safe = float(np.quantile(impostor, 1 - ALLOWED_FALSE_ACCEPTS))
    lowest = float(np.quantile(target, ALLOWED_FALSE_ACCEPTS))
    accept = round((safe + lowest) / 2 if lowest > safe else safe, 3)
    margin = round(max(0.0, float(np.percentile(np.concatenate(leads), MARGIN_PERCENTILE)) / 2), 3)
    steps = np.arange(0.3, 1.0, 0.1)
    return Calibration(
        target, impostor, tuple(point(round(float(step), 2), target, impostor) for step in steps), accept, margin
    )


def point(accept: float, targets: FloatArray, impostors: FloatArray) -> Point:
    """Return the error rates of a threshold."""
    return Point(accept, float((impostors >= accept).mean()), float((targets < accept).mean()))
