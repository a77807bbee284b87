"""A model that remembers: the vectors are those of the model, and it computes each text once while it is remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from ingest.embedder.text_model.remembered import RememberedModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.embedder.text_model.light_encoder import Vector


class Lengths:
    """A model whose vectors are the lengths of texts; `asked` are the texts that it computed."""

    key, content_id, dimensions = "lengths", "0" * 40, 1

    def __init__(self) -> None:
        self.asked: list[str] = []

    def question(self, text: str) -> Vector:
        return self.run([text])[0]

    def run(self, texts: Sequence[str]) -> list[Vector]:
        assert texts
        self.asked += texts
        return [np.asarray([len(text)], dtype=np.float32) for text in texts]


@given(some.lists(some.lists(some.text("abc", max_size=2), max_size=6), max_size=8))
def test_the_vectors_are_those_of_the_model_and_the_latest_texts_are_not_computed_again(asked: list[list[str]]) -> None:
    model = Lengths()
    remembered = RememberedModel(model, most=5)
    before: list[str] = []
    for texts in asked:
        model.asked.clear()
        assert [vector.tolist() for vector in remembered.run(texts)] == [[len(text)] for text in texts]
        assert len(model.asked) == len(set(model.asked))
        if len({*texts, *before}) <= 5:
            assert set(model.asked).isdisjoint(before)
        before = texts


def test_the_number_of_remembered_texts_is_limited() -> None:
    model = Lengths()
    remembered = RememberedModel(model, most=5)
    for number in range(20):
        remembered.run([str(number)])
    model.asked.clear()
    remembered.run([str(number) for number in range(20)])
    assert model.asked == [str(number) for number in range(15)]
