"""Proposes thresholds from the scores of labelled voices with their own profile and with those of other voices. Pure.

Each recording of a voice is a trial for the profile of its other recordings. Of a voice with one recording, every
second vector makes the profile, and the others are trials. A trial is a target against the profile of its own voice.
As an impostor, it has its highest score with the profiles of all other voices, as a voice that is not enrolled would. A
voice with too few vectors for a profile is an impostor only.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from ingest.asr.speakers.matching import scores
from ingest.asr.speakers.two_voices import halves
from ingest.asr.speakers.vectors import l2_normalize

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ingest.asr.speakers.vectors import FloatArray

MIN_VOICES = 2
MIN_VECTORS = 6  # of a voice: three for its profile, three trials
MIN_PROFILE = 3
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
    same_voice: float

    @property
    def proposed(self) -> Point:
        """Return the error rates of the proposed threshold."""
        return point(self.accept, self.targets, self.impostors)


def calibrate(voices: Mapping[str, Sequence[FloatArray]]) -> Calibration:
    """Return the calibration of labelled voices: the vectors (count, dimension) of each of their recordings.

    Raise ValueError when too few voices have enough vectors for a profile.

    The proposed threshold lies midway between the highest impostors and the lowest targets where these do not overlap.
    Otherwise it accepts the allowed share of impostors. The proposed margin is half of the lowest lead of the targets.
    The proposed cosine of one voice lies midway between the halves of one voice and those of two.
    """
    profiles = {
        name: l2_normalize(np.concatenate(recordings))
        for name, recordings in voices.items()
        if sum(map(len, recordings)) >= MIN_VECTORS
    }
    if len(profiles) < MIN_VOICES:
        raise ValueError(f"calibration needs {MIN_VOICES} voices with {MIN_VECTORS} vectors each")
    targets, impostors, leads = [], [], []
    for name, recordings in voices.items():
        others = [each for other, each in profiles.items() if other != name]
        if name not in profiles:
            impostors.append(_highest(np.concatenate(recordings), others))
            continue
        for profile, trials in _trials(recordings):
            own, highest = scores(trials, profile), _highest(trials, others)
            impostors.append(highest)
            targets.append(own)
            leads.append(own - highest)
    target, impostor = np.concatenate(targets), np.concatenate(impostors)
    safe = float(np.quantile(impostor, 1 - ALLOWED_FALSE_ACCEPTS))
    lowest = float(np.quantile(target, ALLOWED_FALSE_ACCEPTS))
    accept = round((safe + lowest) / 2 if lowest > safe else safe, 3)
    margin = round(max(0.0, float(np.percentile(np.concatenate(leads), MARGIN_PERCENTILE)) / 2), 3)
    steps = np.arange(0.3, 1.0, 0.1)
    points = tuple(point(round(float(step), 2), target, impostor) for step in steps)
    return Calibration(target, impostor, points, accept, margin, _same_voice(list(profiles.values())))


def _same_voice(profiles: Sequence[FloatArray]) -> float:
    """Return the cosine midway between the least similar halves of one voice and the most similar ones of two."""
    one = min(halves(profile).similarity for profile in profiles)
    two = max(halves(np.concatenate(pair)).similarity for pair in combinations(profiles, 2))
    return round((one + two) / 2, 3)


def _trials(recordings: Sequence[FloatArray]) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield profiles and trials of a voice: its other recordings and each one, or two halves of all its vectors."""
    normalized = [l2_normalize(vectors) for vectors in recordings]
    rest = [normalized[:number] + normalized[number + 1 :] for number in range(len(normalized))]
    if min(sum(map(len, others)) for others in rest) >= MIN_PROFILE:
        yield from ((np.concatenate(others), trials) for others, trials in zip(rest, normalized, strict=True))
    else:
        vectors = np.concatenate(normalized)
        yield vectors[::2], vectors[1::2]


def _highest(trials: FloatArray, profiles: Sequence[FloatArray]) -> FloatArray:
    """Return the highest score of each trial with any of the profiles."""
    found = [scores(l2_normalize(trials), profile) for profile in profiles]
    return np.asarray(np.max(found, axis=0), dtype=np.float32)


def point(accept: float, targets: FloatArray, impostors: FloatArray) -> Point:
    """Return the error rates of a threshold."""
    return Point(accept, float((impostors >= accept).mean()), float((targets < accept).mean()))
