"""Matches turns with enrolled profiles by their voice embeddings. Open set: a turn without a match stays Unknown. Pure.

    a cluster (one speaker of the diarization)
      no vector in it ────────────────────────────────► Unknown n            rule `no_vector`
      three or more vectors whose scores with the best
      profile have a large range or variance ──────────► each turn for itself  rules `turn`, ...
      mean vector: score and margin over the second
      profile are large enough, match is mutual ───────► the profile's name    rule `cluster`
      anything else ───────────────────────────────────► Unknown n            rules `below_threshold`, `small_margin`,
                                                                              `not_mutual`, `no_profile`

A score is the mean of the three best cosine similarities between a vector and those of a profile. All vectors are from
the model whose key is stored in the profiles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

from ingest.asr.speakers.vectors import l2_normalize
from ingest.shared.messages import Part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingest.asr.speakers.profiles import Profile
    from ingest.asr.speakers.vectors import FloatArray
    from ingest.shared.artifacts.transcript import Turn

BEST_OF_PROFILE = 3
SPLIT_FROM_TURNS = 3
UNKNOWN = "Unknown"


class Thresholds(Part):
    """The thresholds for naming a voice: cosines, valid for the vectors of one model only.

    `accept` and `margin` hold for a whole cluster and for the samples of a monologue. A cluster whose scores have a
    range over `split_range` or a variance over `split_variance` is named turn by turn, by `split_accept`. The two
    halves of one voice have a cosine of at least `same_voice`. Speakers of two windows are linked from `link` on.
    """

    accept: float = 0.7
    margin: float = 0.1
    split_accept: float = 0.65
    split_range: float = 0.5
    split_variance: float = 0.05
    same_voice: float = 0.6
    link: float = 0.7


@dataclass(frozen=True)
class Decision:
    """A name or None, with the score of the best profile, its margin over the second, and the rule that decided."""

    name: str | None
    rule: str
    score: float | None = None
    margin: float | None = None
    best: str | None = None
    second_best: str | None = None


def is_unknown_speaker(speaker: str) -> bool:
    """Whether a speaker's name is one of those given to voices that are not enrolled."""
    return speaker.partition(" ")[0] == UNKNOWN


def scores(vectors: FloatArray, profile: FloatArray) -> FloatArray:
    """Return the score (count,) of vectors (count, dimension) with a profile (vectors, dimension), all of length 1."""
    cosines = np.sort(vectors @ profile.T, axis=1)[:, -BEST_OF_PROFILE:]
    return np.asarray(cosines.mean(axis=1), dtype=np.float32)


class EnrolledVoices:
    """Enrolled voices, whose vectors of length 1 are in one matrix: one product compares a voice with all of them."""

    def __init__(self, profiles: Sequence[Profile]) -> None:
        self.vectors = {profile.name: profile.units for profile in profiles}
        self.versions = {profile.name: profile.version for profile in profiles}
        counts = np.array([len(vectors) for vectors in self.vectors.values()], dtype=int)
        places = np.arange(counts.max(initial=0))
        self._is_own = places < counts[:, None]  # (profiles, most vectors of one), as the next
        self._rows = np.where(self._is_own, places + (counts.cumsum() - counts)[:, None], 0)
        self._best_of = np.clip(counts, 1, BEST_OF_PROFILE)
        self._all = np.concatenate(list(self.vectors.values())) if self.vectors else None

    def scores(self, vectors: FloatArray) -> list[dict[str, float]]:
        """Return the scores of vectors (count, dimension) with every profile, as `scores` does for one."""
        if self._all is None:
            return [{} for _ in vectors]
        cosines = np.where(self._is_own, (vectors @ self._all.T)[:, self._rows], -np.inf)
        best = np.sort(cosines, axis=2)[:, :, -BEST_OF_PROFILE:]
        means = np.where(np.isfinite(best), best, 0).sum(axis=2) / self._best_of
        return [dict(zip(self.vectors, map(float, row), strict=True)) for row in means]


def judge(found: Mapping[str, float], accept: float, margin: float, rule: str) -> Decision:
    """Return the decision for one voice from its score with every profile."""
    ranked = sorted(found, key=lambda name: (-found[name], name))
    if not ranked:
        return Decision(None, "no_profile")
    best, second = ranked[0], ranked[1] if len(ranked) > 1 else None
    ahead = found[best] - found[second] if second is not None else None
    decided = Decision(best, rule, found[best], ahead, best, second)
    if found[best] < accept:
        return replace(decided, name=None, rule="below_threshold")
    if ahead is not None and ahead < margin:
        return replace(decided, name=None, rule="small_margin")
    return decided


def name_turns(
    turns: Sequence[Turn], vectors: FloatArray, profiles: Sequence[Profile], thresholds: Thresholds
) -> list[Turn]:
    """Return the turns with names; `vectors` (count, dimension) are the rows that the turns refer to.

    Unknown speakers are `Unknown 1` to `n` in the order in which they first speak.
    """
    return name_by(EnrolledVoices(profiles), turns, vectors, thresholds)


def name_by(known: EnrolledVoices, turns: Sequence[Turn], vectors: FloatArray, thresholds: Thresholds) -> list[Turn]:
    """Return turns with names, as `name_turns` does, by voices that are used for many recordings."""
    decided = _decide(turns, l2_normalize(vectors), known, thresholds)
    fields = cache(partial(_fields, known.versions))  # the turns of a cluster have one decision
    unknown: dict[str, str] = {}
    named = []
    for turn, decision in zip(turns, decided, strict=True):
        name = decision.name
        if name is None:
            name = unknown.setdefault(turn.cluster, f"{UNKNOWN} {len(unknown) + 1}")
        named.append(_named(turn, fields(decision, name)))
    return named


def name_alike(turns: Sequence[Turn], decision: Decision, profiles: Sequence[Profile]) -> list[Turn]:
    """Return the turns of one recognised voice, all with its name."""
    versions = {profile.name: profile.version for profile in profiles}
    fields = _fields(versions, decision, decision.name or UNKNOWN)
    return [_named(turn, fields) for turn in turns]


def _named(turn: Turn, decided: Mapping[str, object]) -> Turn:
    return turn if decided.items() <= vars(turn).items() else turn.model_copy(update=decided)


def _fields(versions: Mapping[str, int], decision: Decision, name: str) -> Mapping[str, object]:
    """Return the fields of the turns of a speaker with this name."""
    return {
        "speaker": name,
        "score": _rounded(decision.score),
        "margin": _rounded(decision.margin),
        "second_best": decision.second_best,
        "rule": decision.rule,
        "profile_version": versions.get(decision.best or ""),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)


def _decide(
    turns: Sequence[Turn], vectors: FloatArray, known: EnrolledVoices, thresholds: Thresholds
) -> list[Decision]:
    clusters: dict[str, list[int]] = {}
    for number, turn in enumerate(turns):
        clusters.setdefault(turn.cluster, []).append(number)
    whole: dict[str, dict[str, float]] = {}
    decided: dict[int, Decision] = {}
    for cluster, members in clusters.items():
        voiced = [number for number in members if turns[number].vector is not None]
        if not voiced:
            decided |= dict.fromkeys(members, Decision(None, "no_vector"))
            continue
        rows = np.array([turns[number].vector for number in voiced])
        weights = np.array([turns[number].end_s - turns[number].start_s for number in voiced], dtype=np.float32)
        mean = l2_normalize((vectors[rows] * weights[:, None]).sum(axis=0, keepdims=True))
        (found,) = known.scores(mean)
        if is_mixed(vectors[rows], found, known.vectors, thresholds):
            decided |= _by_turn(turns, members, vectors, known, thresholds)
        else:
            whole[cluster] = found
    for cluster, decision in mutual(whole, thresholds).items():
        decided |= dict.fromkeys(clusters[cluster], decision)
    return [decided[number] for number in range(len(turns))]


def is_mixed(
    vectors: FloatArray, found: Mapping[str, float], known: Mapping[str, FloatArray], thresholds: Thresholds
) -> bool:
    """Whether the scores of a cluster with its best profile vary so much that the cluster holds several voices."""
    if len(vectors) < SPLIT_FROM_TURNS or not found:
        return False
    each = scores(vectors, known[max(found, key=lambda name: found[name])])
    spread = float(each.max() - each.min())
    return spread > thresholds.split_range or float(each.var()) > thresholds.split_variance


def _by_turn(
    turns: Sequence[Turn],
    members: Sequence[int],
    vectors: FloatArray,
    known: EnrolledVoices,
    thresholds: Thresholds,
) -> dict[int, Decision]:
    decided = {}
    for number in members:
        row = turns[number].vector
        if row is None:
            decided[number] = Decision(None, "no_vector")
            continue
        (found,) = known.scores(vectors[row : row + 1])
        decided[number] = judge(found, thresholds.split_accept, thresholds.margin, "turn")
    return decided


def mutual(whole: Mapping[str, Mapping[str, float]], thresholds: Thresholds) -> dict[str, Decision]:
    """Return the decision for each cluster: a profile is given only to the cluster with the highest score for it."""
    decided = {
        cluster: judge(found, thresholds.accept, thresholds.margin, "cluster") for cluster, found in whole.items()
    }
    for cluster, decision in decided.items():
        rivals = [whole[other][decision.name] for other in whole if other != cluster] if decision.name else []
        if decision.name and any(rival > whole[cluster][decision.name] for rival in rivals):
            decided[cluster] = replace(decision, name=None, rule="not_mutual")
    return decided
