"""The vectors of a passage's sentences, as the archive holds them: one byte for each number. Pure.

A search compares them with the question, and an answer begins at the nearest sentence. Computing them for each question
took most of its time. Only the directions of the vectors are kept: nearness is the cosine.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


Vector = npt.NDArray[np.float32]

LARGEST = 127  # of a signed byte


class PassageText(Protocol):
    """A passage: its text, and the offsets of its sentences."""

    @property
    def text(self) -> str:
        """Return the text."""

    @property
    def offsets(self) -> Sequence[int]:
        """Return where the sentences begin."""


def split(text: str, offsets: Sequence[int]) -> list[str]:
    """Return the sentences of a text, which begin at these offsets."""
    ends = [*offsets[1:], len(text)]
    return [text[start:end].strip() for start, end in zip(offsets, ends, strict=True)]


def encode(
    passages: Sequence[PassageText], run: Callable[[list[str]], Iterable[Vector]]
) -> tuple[list[Vector], list[bytes | None]]:
    """Return the vectors of passages, and of each the packed ones of its sentences; None where it has only one.

    `run` computes the vectors of all texts together.
    """
    sentences = [split(passage.text, passage.offsets) for passage in passages]
    counts = [len(group) if len(group) > 1 else 0 for group in sentences]
    several = chain.from_iterable(group for group in sentences if len(group) > 1)
    vectors = iter(run([*(passage.text for passage in passages), *several]))
    of_passages = list(islice(vectors, len(passages)))
    return of_passages, [pack(list(islice(vectors, count))) if count else None for count in counts]


def pack(vectors: Sequence[Vector]) -> bytes:
    """Return vectors as bytes."""
    numbers = np.asarray(vectors)
    largest = np.maximum(np.abs(numbers).max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return bytes(np.rint(numbers * (LARGEST / largest)).astype(np.int8).data)


def nearest(packed: bytes, vector: Vector) -> int:
    """Return the number of the packed vector that is nearest to a vector."""
    numbers = np.frombuffer(packed, np.int8).reshape(-1, len(vector)).astype(np.float32)
    lengths = np.maximum(np.linalg.norm(numbers, axis=1), 1)
    return int(np.argmax(numbers @ vector / lengths))
