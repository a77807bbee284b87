"""A text model that remembers its latest vectors: many questions are compared with the same sentences of an archive."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.embedder.text_model.light_encoder import Vector
    from ingest.embedder.text_model.model_keys import TextModel

MOST = 20_000  # texts: 40 MB with vectors of 384 numbers


class RememberedModel:
    """Gives the vectors of `model`; those of the `most` latest texts are computed once. Thread-safe as the model is."""

    def __init__(self, model: TextModel, most: int = MOST) -> None:
        self.key, self.content_id, self.dimensions = model.key, model.content_id, model.dimensions
        self._model, self._most = model, most
        self._turn = threading.Lock()
        self._known: dict[str, Vector] = {}  # the text that was asked for last is the last one

    def question(self, text: str) -> Vector:
        """Return the vector of a question."""
        return self._model.question(text)

    def run(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of texts, each of length 1."""
        with self._turn:
            found = {text: self._known[text] for text in texts if text in self._known}
        new = [text for text in dict.fromkeys(texts) if text not in found]
        found |= zip(new, self._model.run(new), strict=True) if new else ()
        with self._turn:
            for text, vector in found.items():
                self._known.pop(text, None)
                self._known[text] = vector
            while len(self._known) > self._most:
                del self._known[next(iter(self._known))]
        return [found[text] for text in texts]
