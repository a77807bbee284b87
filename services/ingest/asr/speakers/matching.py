"""Who is it: turns with voice embeddings meet the enrolled profiles. Open set: nobody is given a name by force. Pure.

    a cluster (one speaker of the diarization)
      no vector in it ────────────────────────────────► Unknown n            rule `no_vector`
      three or more vectors that disagree about the
      best profile (range or variance of their scores) ► each turn for itself  rules `turn`, ...
      its mean vector: best profile good enough, well
      ahead of the second, and each the other's best ──► the profile's name    rule `cluster`
      anything else ───────────────────────────────────► Unknown n            rules `below_threshold`, `small_margin`,
                                                                              `not_mutual`, `no_profile`

A score is the mean of the three best cosine similarities between a vector and those of a profile. Every cosine is taken
in one space: that of the model whose key the profiles carry.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ingest.asr.speakers.vectors import FloatArray, unit
from ingest.shared.messages import Part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingest.asr.speakers.profiles import Profile
    from ingest.shared.artifacts.transcript import Turn

BEST_OF_PROFILE = 3
SPLIT_FROM_TURNS = 3
UNKNOWN = "Unknown"


class Thresholds(Part):
    """What it takes to be given a name: cosines in the space of one model, and nothing outside of it.

    `accept` and `margin` hold for a whole cluster and for the samples of a monologue; a cluster whose turns' scores
    have a range over `split_range` or a variance over `split_variance` is named turn by turn, by `split_accept`. The
    halves of one voice are at least `same_voice` alike; speakers of two windows are one from `link` on.
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
    """A name or None, and why: cosine to the best profile, distance to the second, and the rule that decided."""

    name: str | None
    rule: str
    score: float | None = None
    margin: float | None = None
    best: str | None = None
    second_best: str | None = None


def is_stranger(speaker: str) -> bool:
    """Tell whether a speaker's name is that of nobody who is enrolled."""
    return speaker.partition(" ")[0] == UNKNOWN


def scores(vectors: FloatArray, profile: FloatArray) -> FloatArray:
    """Return the score (count,) of vectors (count, dimension) with a profile (vectors, dimension), all of length 1."""
    cosines = np.sort(vectors @ profile.T, axis=1)[:, -BEST_OF_PROFILE:]
    return np.asarray(cosines.mean(axis=1), dtype=np.float32)


def judge(found: Mapping[str, float], accept: float, margin: float, rule: str) -> Decision:
    """Return the decision for one voice, of its score with every profile."""
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
    """Return the turns with names; `vectors` (count, dimension) are those that the turns point to.

    Strangers are `Unknown 1` to `n` in the order in which they first speak.
    """
    vectors = unit(vectors)
    known = {profile.name: unit(profile.vectors) for profile in profiles}
    decided = _decide(turns, vectors, known, thresholds)
    versions = {profile.name: profile.version for profile in profiles}
    strangers: dict[str, str] = {}
    named = []
    for turn, decision in zip(turns, decided, strict=True):
        name = decision.name
        if name is None:
            name = strangers.setdefault(turn.cluster, f"{UNKNOWN} {len(strangers) + 1}")
        named.append(_named(turn, name, decision, versions))
    return named


def name_alike(turns: Sequence[Turn], decision: Decision, profiles: Sequence[Profile]) -> list[Turn]:
    """Return the turns of one voice that has been recognised, all with its name."""
    versions = {profile.name: profile.version for profile in profiles}
    return [_named(turn, decision.name or UNKNOWN, decision, versions) for turn in turns]


def _named(turn: Turn, name: str, decision: Decision, versions: Mapping[str, int]) -> Turn:
    return turn.model_copy(
        update={
            "speaker": name,
            "score": _rounded(decision.score),
            "margin": _rounded(decision.margin),
            "second_best": decision.second_best,
            "rule": decision.rule,
            "profile_version": versions.get(decision.best or ""),
        }
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)


def _decide(
    turns: Sequence[Turn], vectors: FloatArray, known: Mapping[str, FloatArray], thresholds: Thresholds
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
        mean = unit((vectors[rows] * weights[:, None]).sum(axis=0, keepdims=True))
        found = {name: float(scores(mean, profile)[0]) for name, profile in known.items()}
        if is_mixed([vectors[row] for row in rows], found, known, thresholds):
            decided |= _by_turn(turns, members, vectors, known, thresholds)
        else:
            whole[cluster] = found
    for cluster, decision in mutual(whole, thresholds).items():
        decided |= dict.fromkeys(clusters[cluster], decision)
    return [decided[number] for number in range(len(turns))]


def is_mixed(
    vectors: Sequence[FloatArray], found: Mapping[str, float], known: Mapping[str, FloatArray], thresholds: Thresholds
) -> bool:
    """Tell whether the turns of a cluster disagree so much about its best profile that they are not one voice."""
    if len(vectors) < SPLIT_FROM_TURNS or not found:
        return False
    each = scores(np.stack(vectors), known[max(found, key=lambda name: found[name])])
    spread = float(each.max() - each.min())
    return spread > thresholds.split_range or float(each.var()) > thresholds.split_variance


def _by_turn(
    turns: Sequence[Turn],
    members: Sequence[int],
    vectors: FloatArray,
    known: Mapping[str, FloatArray],
    thresholds: Thresholds,
) -> dict[int, Decision]:
    decided = {}
    for number in members:
        row = turns[number].vector
        if row is None:
            decided[number] = Decision(None, "no_vector")
            continue
        found = {name: float(scores(vectors[row : row + 1], profile)[0]) for name, profile in known.items()}
        decided[number] = judge(found, thresholds.split_accept, thresholds.margin, "turn")
    return decided


def mutual(whole: Mapping[str, Mapping[str, float]], thresholds: Thresholds) -> dict[str, Decision]:
    """Return the decision for each cluster: a profile is given to the cluster that is most like it, to no other."""
    decided = {
        cluster: judge(found, thresholds.accept, thresholds.margin, "cluster") for cluster, found in whole.items()
    }
    for cluster, decision in decided.items():
        rivals = [whole[other][decision.name] for other in whole if other != cluster] if decision.name else []
        if decision.name and any(rival > whole[cluster][decision.name] for rival in rivals):
            decided[cluster] = replace(decision, name=None, rule="not_mutual")
    return decided
