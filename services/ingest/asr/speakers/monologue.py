"""One enrolled voice throughout? Then the diarization can be left out. Any doubt says no. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.asr.speakers.matching import Decision, judge, scores
from ingest.asr.speakers.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.asr.speakers.matching import Thresholds
    from ingest.asr.speakers.profiles import Profile
    from ingest.asr.speakers.vectors import FloatArray

LEAST_SAMPLES = 10
SAMPLE_EVERY_S = 15.0  # of speech


def recognise(vectors: FloatArray, profiles: Sequence[Profile], thresholds: Thresholds) -> Decision | None:
    """Return whose voice all samples (count, dimension) are, or None.

    Each has to be accepted for the same profile, and to be like the mean of all: a second voice is like neither.
    """
    if not len(vectors):
        return None
    samples = unit(vectors)
    known = {profile.name: scores(samples, unit(profile.vectors)) for profile in profiles}
    decided = [
        judge(
            {name: float(each[row]) for name, each in known.items()}, thresholds.accept, thresholds.margin, "fast_path"
        )
        for row in range(len(samples))
    ]
    worst = min(decided, key=lambda decision: decision.score if decision.score is not None else -1.0)
    alike = samples @ unit(samples.mean(axis=0))
    if any(decision.name is None or decision.name != worst.name for decision in decided):
        return None
    return worst if float(alike.min()) >= thresholds.same_voice else None
