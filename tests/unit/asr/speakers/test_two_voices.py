"""Detection of two voices in one profile, and the calibration of thresholds."""

from __future__ import annotations

import numpy as np
import pytest

from ingest.asr.speakers.calibration import calibrate
from ingest.asr.speakers.two_voices import halves, outlying
from ingest.asr.speakers.vectors import FloatArray, l2_normalize


def voice(seed: int, count: int, spread: float = 0.3, dimension: int = 64) -> FloatArray:
    rng = np.random.default_rng(seed)
    middle = l2_normalize(rng.standard_normal(dimension).astype(np.float32))
    noise = l2_normalize(rng.standard_normal((count, dimension)).astype(np.float32))
    return l2_normalize(middle + spread * noise)


def test_the_halves_of_one_voice_are_similar() -> None:
    assert halves(voice(1, 40)).similarity > 0.85


@pytest.mark.parametrize("count", [pytest.param(40, id="half"), pytest.param(4, id="a tenth")])
def test_the_halves_of_two_voices_are_not_similar(count: int) -> None:
    found = halves(np.concatenate([voice(1, 40), voice(2, count)]))
    assert found.similarity < 0.4
    assert found.smaller_share == pytest.approx(count / (40 + count))


def test_a_single_outlier_is_no_second_voice() -> None:
    assert halves(np.concatenate([voice(1, 40), voice(2, 1)])).similarity > 0.85


@pytest.mark.parametrize(
    ("others", "left_out"),
    [
        pytest.param([], 0, id="none"),
        pytest.param([1], 1, id="a single turn"),
        pytest.param([3], 3, id="some turns of one voice"),
        pytest.param([1, 1, 2], 4, id="turns of several voices"),
        pytest.param([40], 0, id="as many: two voices"),
        pytest.param([12], 0, id="a quarter: two voices"),
    ],
)
def test_a_few_turns_of_other_voices_are_left_out(others: list[int], left_out: int) -> None:
    vectors = np.concatenate([voice(1, 40), *(voice(2 + place, count) for place, count in enumerate(others))])
    found = outlying(vectors, 0.6)
    assert (int(found.sum()), bool(found[:40].any())) == (left_out, False)


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_turns_of_one_voice_all_stay(count: int) -> None:
    assert not outlying(voice(1, count, spread=0.7), 0.6).any()


def test_few_vectors_count_as_one_voice() -> None:
    assert halves(voice(1, 1)).similarity == 1.0
    assert halves(np.repeat(voice(1, 1), 5, axis=0)).similarity == 1.0


def test_thresholds_lie_between_impostors_and_targets() -> None:
    found = calibrate({str(seed): [voice(seed, 12)] for seed in range(6)})
    assert found.impostors.max() < found.accept < found.targets.min()
    assert (found.proposed.false_accepts, found.proposed.false_rejects) == (0.0, 0.0)
    assert found.margin > 0.1
    assert 0.4 < found.same_voice < 0.9
    assert len(found.targets) == 6 * 6
    assert len(found.impostors) == 6 * 6


def test_a_recording_is_compared_with_the_other_recordings_of_its_voice() -> None:
    known = {str(seed): [voice(seed, 12)] for seed in range(6)}
    as_in_a_hall = [voice(9, 6), l2_normalize(voice(9, 6) + voice(77, 6))]
    found = calibrate({**known, "9": as_in_a_hall})
    assert found.targets.min() < calibrate(known).targets.min() - 0.1
    assert len(found.targets) == 6 * 6 + 2 * 6


def test_a_voice_with_few_vectors_is_an_impostor_only() -> None:
    known = {str(seed): [voice(seed, 12)] for seed in range(6)}
    like_the_first = l2_normalize(voice(0, 3) + 0.8 * voice(50, 3))
    found = calibrate({**known, "a stranger": [like_the_first]})
    assert len(found.targets) == 6 * 6
    assert len(found.impostors) == 6 * 6 + 3
    assert found.impostors.max() > calibrate(known).impostors.max()


def test_where_scores_overlap_the_impostors_decide_the_threshold() -> None:
    mixed = {str(seed): [voice(1, 600, spread=2.0)[seed::6]] for seed in range(6)}
    found = calibrate(mixed)
    assert found.proposed.false_accepts <= 0.01
    assert found.proposed.false_rejects > 0.5


def test_rates_grow_and_fall_with_the_threshold() -> None:
    points = calibrate({str(seed): [voice(seed, 12, spread=1.5)] for seed in range(6)}).points
    assert [item.false_accepts for item in points] == sorted((item.false_accepts for item in points), reverse=True)
    assert [item.false_rejects for item in points] == sorted(item.false_rejects for item in points)


@pytest.mark.parametrize(
    "voices",
    [pytest.param({"a": voice(1, 12)}, id="one voice"), pytest.param({"a": voice(1, 12), "b": voice(2, 5)}, id="few")],
)
def test_too_little_material_is_refused(voices: dict[str, FloatArray]) -> None:
    with pytest.raises(ValueError, match="2 voices with 6 vectors"):
        calibrate({name: [vectors] for name, vectors in voices.items()})
