"""Compares the voice of a citation with the voices of its recording and the enrolled ones. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ingest.asr.speakers.matching import scores
from ingest.asr.speakers.vectors import l2_normalize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingest.asr.speakers.profiles import Profile
    from ingest.asr.speakers.vectors import FloatArray
    from ingest.shared.artifacts.transcript import Turn

LEAST = 0.9  # of the score that names a single turn: between strangers and the speakers (`bench.citation_voices`)


@dataclass(frozen=True)
class VoiceMatch:
    """How much the voice is like that of the cited speaker (None: there is no such voice), and like the nearest one."""

    is_same: bool
    score: float | None
    nearest: str | None
    nearest_score: float | None


def voices_of(turns: Sequence[Turn], vectors: FloatArray) -> dict[str, FloatArray]:
    """Return the mean vector of each speaker of a recording, by name in lower case."""
    rows: dict[str, dict[int, float]] = {}
    for turn in turns:
        if turn.vector is not None:
            own = rows.setdefault(turn.speaker.casefold(), {})
            own[turn.vector] = own.get(turn.vector, 0.0) + turn.end_s - turn.start_s
    return {
        name: l2_normalize(
            (vectors[list(own)] * np.array(list(own.values()), dtype=np.float32)[:, None]).sum(axis=0, keepdims=True)
        )
        for name, own in rows.items()
    }


def compare(
    heard: FloatArray, speaker: str, voices: Mapping[str, FloatArray], profiles: Sequence[Profile], least: float
) -> VoiceMatch:
    """Return whether the vectors (count, dimension) of a citation are of its speaker.

    The voice has to be like that of the speaker in the recording, or like the enrolled one, and no other speaker of
    the recording may be nearer. `least` is the score that names a single turn.
    """
    voice = l2_normalize(heard.sum(axis=0, keepdims=True))
    found = {name: float((voice @ mean.T)[0, 0]) for name, mean in voices.items()}
    own_name = speaker.casefold()
    own = [found[own_name]] if own_name in found else []
    own += [float(scores(voice, one.vectors)[0]) for one in profiles if one.name.casefold() == own_name]
    score = max(own, default=None)
    nearest = max(found, key=lambda name: found[name], default=None)
    nearest_score = found[nearest] if nearest is not None else None
    is_nearest = nearest is None or nearest == own_name or (score is not None and score >= found[nearest])
    is_same = score is not None and score >= LEAST * least and is_nearest
    return VoiceMatch(is_same, _rounded(score), nearest, _rounded(nearest_score))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
