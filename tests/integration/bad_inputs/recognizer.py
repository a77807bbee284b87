"""A stand-in for a recognizer, with set answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ingest.asr.recognition.whisper import ChunkTranscript, ChunkWord, Request
from ingest.shared.sandbox.decode import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.asr.audio import Waveform

LOOP = "Thanks for watching!"
LONG_CHUNK_S = 15.0


@dataclass(frozen=True)
class StandIn:
    """A recognizer with one result for all long chunks; `languages` are the detected ones and their probabilities.

    Each of its words takes many seconds, most of which are read again, without a result.
    """

    says: tuple[str, ...] = (LOOP,)
    languages: tuple[tuple[str, float], ...] = ()
    key: str = "stand-in"
    old_key: str = "stand-in"
    name: str = "stand-in"
    device: str = "cpu"

    @property
    def is_multilingual(self) -> bool:
        return bool(self.languages)

    def has_language(self, language: str) -> bool:
        return language != "yue"

    def request(self, samples: Waveform, language: str | None, *, strong: bool = False) -> Request:
        return Request(np.zeros((80, 3000), dtype=np.float32), len(samples) / SAMPLE_RATE, language, strong)

    def run(self, requests: Sequence[Request]) -> list[ChunkTranscript]:
        return [
            ChunkTranscript(languages=dict(self.languages))
            if request.language is None
            else ChunkTranscript(words=self._words(request.duration_s), avg_logprob=-0.1)
            for request in requests
        ]

    def _words(self, duration_s: float) -> tuple[ChunkWord, ...]:
        share_s = duration_s / len(self.says)
        if duration_s < LONG_CHUNK_S:
            return ()
        return tuple(ChunkWord(n * share_s, (n + 1) * share_s, f" {text}", 0.9) for n, text in enumerate(self.says))
