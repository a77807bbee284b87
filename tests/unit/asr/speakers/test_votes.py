"""Votes of chunks: clear ones decide a tie, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.asr.speakers.votes import weights

ALICE, BOB = (1.0, 0.0), (0.0, 1.0)
BETWEEN = (0.8, 0.7)


def test_a_vote_in_the_middle_of_its_cluster_weighs_more_than_one_between_two() -> None:
    vectors = np.array([[ALICE], [ALICE], [BETWEEN], [BOB], [BOB]], dtype=np.float32)
    found = weights(vectors, np.array([[0], [0], [0], [1], [1]]))
    assert found[0] == found[1] > found[2] >= 1
    assert found[3] > found[2]


@pytest.mark.parametrize("clusters", [pytest.param([[0, -2], [0, -2]], id="one"), pytest.param([[-2, -2]], id="none")])
def test_without_a_second_cluster_all_votes_weigh_the_same(clusters: list[list[int]]) -> None:
    vectors = np.ones((len(clusters), 2, 3), dtype=np.float32)
    assert (weights(vectors, np.array(clusters)) == 1).all()


@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 4))
def test_the_weights_of_ten_votes_do_not_outweigh_a_vote(seed: int, clusters: int, speakers: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((10, speakers, 4)).astype(np.float32)
    found = weights(vectors, rng.integers(-1, clusters, (10, speakers)))
    assert found.shape == (10, speakers)
    assert (found >= 1).all()
    assert float(np.sort(found.ravel())[-10:].sum()) < 11 * 1
