"""A made-up archive of any size: real sentences, with words, speakers, channels and dates of known frequency.

The text of a passage is sentences of the samples and words of a vocabulary with Zipf's frequencies. Its vector is the
mean of its sentences' vectors, which the bundled text model computes, disturbed: the vectors are simulated.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from bench.rows import DIMENSIONS, make_passage
from ingest.demo import samples
from ingest.embedder import sentence_vectors
from ingest.embedder.tables.store import Rows
from ingest.embedder.text_model.encoder import Encoder
from ingest.embedder.text_model.model_files import BUNDLED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.embedder.passages import Passage
    from ingest.embedder.postgres.database import Connection
    from ingest.embedder.text_model.encoder import Vector

IN_A_VIDEO = 50  # passages: about 20 minutes
SENTENCES = 6
WORDS = 12  # of the vocabulary, in each passage
VOCABULARY = 200_000
ZIPF = 1.2
COMMON_WORDS = ("gazette", "parliament")
COMMON_SHARE = 0.2  # of the passages that hold a common word, and of those of the common speaker
RARE_SPEAKER_SHARE = 0.0005
CHANNELS = 50
NEWEST = datetime(2026, 1, 1, tzinfo=UTC)
YEARS = 10
DISTURBANCE = 0.5  # length of the noise added to a vector of length 1
DESCRIBE = "UPDATE videos SET title = %s, channel = %s, published_at = %s, source_kind = 'media' WHERE video_id = %s"


class Archive:
    """Draws the videos of an archive, and vectors of questions that are near to its passages."""

    def __init__(self, seed: int | Sequence[int]) -> None:
        self._draw = np.random.default_rng(seed)
        self._sentences = [sentence.text for sample in samples() for sentence in sample.sentences]
        self._known = np.asarray(Encoder(BUNDLED, "cpu", 64).run(self._sentences))

    def video(self, number: int) -> Rows:
        """Return the rows of the video of a number."""
        made = [self._passage(index) for index in range(IN_A_VIDEO)]
        passages, vectors, sentences = (list(part) for part in zip(*made, strict=True))
        return Rows(f"s{number:010}", 1, "en", passages, vectors, sentences)

    def vector(self) -> Vector:
        """Return a vector drawn as those of the passages are."""
        return self._disturbed(self._draw.integers(len(self._sentences), size=SENTENCES))

    def describe(self, connection: Connection, video_id: str) -> None:
        """Store title, channel and date of a video."""
        days = float(self._draw.uniform(0, YEARS * 365))
        channel = f"Channel {self._draw.integers(CHANNELS)}"
        connection.execute(DESCRIBE, (f"Talk {video_id}", channel, NEWEST - timedelta(days=days), video_id))

    def _passage(self, index: int) -> tuple[Passage, Vector, bytes]:
        picked = self._draw.integers(len(self._sentences), size=SENTENCES)
        words = [f"word{rank}" for rank in self._draw.zipf(ZIPF, size=WORDS) % VOCABULARY]
        common = [word for word in COMMON_WORDS if self._draw.random() < COMMON_SHARE]
        sentences = [
            " ".join((self._sentences[number], *words[place::SENTENCES])) for place, number in enumerate(picked)
        ]
        sentences[-1] = " ".join((sentences[-1], *common))
        passage = replace(make_passage(index, sentences), speaker=self._speaker())
        return passage, self._disturbed(picked), sentence_vectors.pack(list(self._known[picked]))

    def _speaker(self) -> str:
        share = self._draw.random()
        if share < RARE_SPEAKER_SHARE:
            return "Rare"
        return "Common" if share < RARE_SPEAKER_SHARE + COMMON_SHARE else f"Speaker {self._draw.integers(1000)}"

    def _disturbed(self, picked: np.typing.NDArray[np.int64]) -> Vector:
        mean = self._known[picked].mean(axis=0)
        noise = self._draw.standard_normal(DIMENSIONS).astype(np.float32) * (DISTURBANCE / DIMENSIONS**0.5)
        vector: Vector = mean / np.linalg.norm(mean) + noise
        return vector / np.linalg.norm(vector)
