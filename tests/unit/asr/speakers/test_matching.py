"""Matching of turns with profiles: right names only, and the monologue fast path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ingest.asr.speakers import matching, monologue
from ingest.asr.speakers.matching import Thresholds
from ingest.asr.speakers.profiles import Profile
from ingest.shared.artifacts.transcript import Turn

if TYPE_CHECKING:
    from ingest.asr.speakers.vectors import FloatArray

THRESHOLDS = Thresholds(accept=0.7, margin=0.1)


def at(degrees: float) -> FloatArray:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], dtype=np.float32)


def voices(*degrees: float) -> FloatArray:
    return np.stack([at(one) for one in degrees])


def profile(name: str, *degrees: float, version: int = 1) -> Profile:
    return Profile(name, version, "model", voices(*degrees))


def turns(*clusters: str) -> list[Turn]:
    return [
        Turn(start_s=float(number), end_s=number + 0.9, cluster=cluster, speaker="", vector=number)
        for number, cluster in enumerate(clusters)
    ]


def names(found: list[Turn]) -> list[str]:
    return [turn.speaker for turn in found]


ADA, GRACE = profile("Ada", 0, 2, 4, version=7), profile("Grace", 90, 92, 94)


def test_a_cluster_that_is_like_a_profile_gets_its_name_and_another_one_gets_a_number() -> None:
    found = matching.name_turns(turns("S1", "S2", "S1", "S3"), voices(1, 200, 3, 300), [ADA, GRACE], THRESHOLDS)
    assert names(found) == ["Ada", "Unknown 1", "Ada", "Unknown 2"]
    assert [turn.rule for turn in found] == ["cluster", "below_threshold", "cluster", "below_threshold"]
    assert (found[0].profile_version, found[0].second_best) == (7, "Grace")
    assert found[0].score == pytest.approx(1.0, abs=0.01)
    assert found[0].margin == pytest.approx(1.0, abs=0.1)


def test_without_profiles_all_speakers_are_unknown_in_the_order_of_speaking() -> None:
    found = matching.name_turns(turns("S9", "S1", "S9"), voices(1, 90, 1), [], THRESHOLDS)
    assert names(found) == ["Unknown 1", "Unknown 2", "Unknown 1"]
    assert {turn.rule for turn in found} == {"no_profile"}


def test_a_voice_between_two_profiles_gets_neither_name() -> None:
    near = profile("Ada", 0, 1, 2), profile("Eve", 10, 11, 12)
    (found,) = matching.name_turns(turns("S1"), voices(6), near, THRESHOLDS)
    assert (found.speaker, found.rule) == ("Unknown 1", "small_margin")


def test_a_name_is_given_to_one_cluster_only() -> None:
    found = matching.name_turns(turns("S1", "S2"), voices(20, 3), [ADA, GRACE], THRESHOLDS)
    assert [(turn.speaker, turn.rule) for turn in found] == [("Unknown 1", "not_mutual"), ("Ada", "cluster")]


def test_a_mixed_cluster_is_split_and_named_turn_by_turn() -> None:
    found = matching.name_turns(turns("S1", "S1", "S1", "S1"), voices(1, 2, 92, 210), [ADA, GRACE], THRESHOLDS)
    assert names(found) == ["Ada", "Ada", "Grace", "Unknown 1"]
    assert [turn.rule for turn in found] == ["turn", "turn", "turn", "below_threshold"]


def test_two_turns_are_too_few_to_call_a_cluster_mixed() -> None:
    found = matching.name_turns(turns("S1", "S1"), voices(1, 92), [ADA, GRACE], THRESHOLDS)
    assert len(set(names(found))) == 1


def test_a_turn_without_a_vector_goes_with_its_cluster_and_alone_it_is_unknown() -> None:
    some = turns("S1", "S1", "S2")
    some[1], some[2] = (turn.model_copy(update={"vector": None}) for turn in some[1:])
    found = matching.name_turns(some, voices(1), [ADA], THRESHOLDS)
    assert [(turn.speaker, turn.rule) for turn in found] == [
        ("Ada", "cluster"),
        ("Ada", "cluster"),
        ("Unknown 1", "no_vector"),
    ]


def test_a_score_is_the_mean_of_the_three_best_of_a_profile() -> None:
    (score,) = matching.scores(voices(0), voices(0, 60, 60, 180))
    assert score == pytest.approx((1 + 0.5 + 0.5) / 3, abs=1e-6)


# -- the fast path ----------------------------------------------------------------------------------------------------


def test_one_voice_throughout_is_recognised() -> None:
    found = monologue.recognise(voices(1, 2, 3, 4), [ADA, GRACE], THRESHOLDS)
    assert found is not None
    assert (found.name, found.rule) == ("Ada", "fast_path")


@pytest.mark.parametrize(
    ("samples", "known"),
    [
        pytest.param(voices(1, 2, 3, 92), [ADA, GRACE], id="another enrolled voice in the last sample"),
        pytest.param(voices(1, 2, 3, 200), [ADA, GRACE], id="an unknown voice in the last sample"),
        pytest.param(voices(200, 201), [ADA, GRACE], id="an unknown voice throughout"),
        pytest.param(voices(1, 2), [], id="no profile"),
        pytest.param(np.zeros((0, 2), dtype=np.float32), [ADA], id="nothing to listen to"),
        pytest.param(voices(-44, 46), [profile("Ada", -44, 0, 46, -43, 45, 1)], id="two voices in the profile itself"),
    ],
)
def test_any_doubt_takes_the_full_path(samples: FloatArray, known: list[Profile]) -> None:
    strict = THRESHOLDS.model_copy(update={"accept": 0.6, "same_voice": 0.8})
    assert monologue.recognise(samples, known, strict) is None


def test_all_profiles_are_compared_at_once_as_one_by_one() -> None:
    some = [profile("A", 0), profile("B", 10, 30, 50, 70, 90), profile("C", 5, 200), profile("D", 1, 2, 3)]
    heard = voices(0, 47, 190)
    found = matching.EnrolledVoices(some).scores(heard)
    for one in some:
        assert [each[one.name] for each in found] == pytest.approx(matching.scores(heard, one.vectors), abs=1e-6)
    assert matching.EnrolledVoices([]).scores(heard) == [{}, {}, {}]
