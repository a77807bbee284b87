"""What a model answers is believed only when it is a vector: right dimension, finite, of length 1."""

from __future__ import annotations

import numpy as np
import pytest

from ingest.embedder.text_model.encoder import Vector, check_vectors
from ingest.shared.errors import Code, IngestError

AXES: Vector = np.eye(3, dtype=np.float32)


def vectors(*rows: list[float]) -> Vector:
    return np.array(rows, dtype=np.float32)


@pytest.mark.parametrize(
    "good",
    [
        pytest.param(AXES, id="axes"),
        pytest.param(vectors([0.6, 0.0, -0.8]), id="one"),
        pytest.param(vectors([1.005, 0.0, 0.0]), id="about 1"),
        pytest.param(np.zeros((0, 3), dtype=np.float32), id="none"),
    ],
)
def test_vectors_of_length_1_pass(good: Vector) -> None:
    check_vectors(good, 3)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        pytest.param(np.eye(4, dtype=np.float32), "dim 4≠3", id="another dimension"),
        pytest.param(np.zeros((0, 4), dtype=np.float32), "dim 4≠3", id="none of another dimension"),
        pytest.param(AXES[0], "dim 3≠3", id="not a table"),
        pytest.param(vectors([1.0, 0.0, 0.0], [float("nan"), 0.0, 0.0]), "not finite", id="NaN"),
        pytest.param(vectors([1.0, 0.0, float("inf")]), "not finite", id="infinite"),
        pytest.param(vectors([1.0, 0.0, 0.0], [0.0, 0.0, 0.0]), "length is not 1", id="zero"),
        pytest.param(vectors([2.0, 0.0, 0.0]), "length is not 1", id="too long"),
        pytest.param(vectors([0.98, 0.0, 0.0]), "length is not 1", id="too short"),
    ],
)
def test_anything_else_is_a_bad_embedding(bad: Vector, says: str) -> None:
    with pytest.raises(IngestError, match=says) as caught:
        check_vectors(bad, 3)
    assert caught.value.code is Code.BAD_EMBEDDING
