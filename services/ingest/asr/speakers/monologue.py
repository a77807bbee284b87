"""Decides whether one enrolled voice speaks throughout, so that diarization can be skipped. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.asr.speakers.matching import Decision, judge, scores
from ingest.asr.speakers.vectors import l2_normalize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.asr.speakers.matching import Thresholds
    from ingest.asr.speakers.profiles import Profile
    from ingest.asr.speakers.vectors import FloatArray

MIN_SAMPLES = 10
SAMPLE_EVERY_S = 15.0  # of speech


def recognise(vectors: FloatArray, profiles: Sequence[Profile], thresholds: Thresholds) -> Decision | None:
    """Return the decision for the one profile that all samples (count, dimension) match; None at any doubt.

    Each sample must be accepted for the same profile and be similar to the mean of all samples. A second voice fails
    both conditions.
    """
    if not len(vectors):
        return None
    samples = l2_normalize(vectors)
    known = {profile.name: scores(samples, profile.units) for profile in profiles}
    decided = [
        judge(
            {name: float(each[row]) for name, each in known.items()}, thresholds.accept, thresholds.margin, "fast_path"
        )
        for row in range(len(samples))
    ]
    worst = min(decided, key=lambda decision: decision.score if decision.score is not None else -1.0)
    alike = samples @ l2_normalize(samples.mean(axis=0))
    if any(decision.name is None or decision.name != worst.name for decision in decided):
        return None
    return worst if float(alike.min()) >= thresholds.same_voice else None
