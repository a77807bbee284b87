"""The vectors of sentences as bytes: the nearest one is the same, and each passage gets those of its own sentences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from ingest.embedder import sentence_vectors
from tests.support.archive_rows import passage, vectors

ROUNDING = 0.01  # of a cosine, by packing


@given(count=some.integers(1, 12), seed=some.integers(0, 10_000))
def test_the_nearest_packed_vector_is_the_nearest_one_up_to_rounding(count: int, seed: int) -> None:
    given_vectors, (question,) = vectors(count, seed, dimensions=32), vectors(1, seed + 1, dimensions=32)
    packed = sentence_vectors.pack(given_vectors)
    assert len(packed) == count * 32
    cosines = np.asarray(given_vectors) @ question
    assert cosines[sentence_vectors.nearest(packed, question)] >= cosines.max() - ROUNDING


@pytest.mark.parametrize("length", [1e-30, 1.0, 1e30])
def test_only_the_direction_of_a_vector_counts(length: float) -> None:
    one, other = vectors(2, dimensions=32)
    packed = sentence_vectors.pack([one * np.float32(length), other])
    assert [sentence_vectors.nearest(packed, vector) for vector in (one, other)] == [0, 1]


def test_each_passage_gets_the_vectors_of_its_own_sentences_and_a_single_one_none() -> None:
    texts = ["Rain. Snow.", "Nothing more.", "Wind. Hail."]
    numbers = {"Rain.": 1, "Snow.": 2, "Wind.": 3, "Hail.": 4}
    asked: list[list[str]] = []

    def run(wanted: list[str]) -> list[sentence_vectors.Vector]:
        asked.append(wanted)
        return [np.eye(5, dtype=np.float32)[numbers.get(text, 0)] for text in wanted]

    of_passages, packed = sentence_vectors.encode([passage(index, text) for index, text in enumerate(texts)], run)
    assert asked == [[*texts, *numbers]]
    assert [int(np.argmax(vector)) for vector in of_passages] == [0, 0, 0]
    assert [
        None if each is None else [int(np.argmax(v)) for v in np.frombuffer(each, np.int8).reshape(-1, 5)]
        for each in packed
    ] == [[1, 2], None, [3, 4]]
