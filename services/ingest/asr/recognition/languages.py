"""Decides the language of a recording, and of stretches in another language. Pure.

The detection of Whisper is unsure about a few seconds of speech. So the probabilities of chunks are weighted by their
speech. Where they are not sure, a sample is read in the most probable languages: in the right one, its words are more
probable. Only a longer stretch with a sure detection is in another language than the recording.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, pairwise
from math import inf, log
from typing import TYPE_CHECKING

from ingest.asr.recognition.segments import REPETITIVE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ingest.asr.recognition.chunks import SpeechChunk
    from ingest.asr.recognition.pieces import Piece
    from ingest.asr.recognition.whisper import ChunkTranscript

SAMPLES = 3
LIKELY_ODDS = 10.0  # of the language that is likely by the source: it wins unless another is ten times as probable
SURE_WITHOUT_READING = 0.9
SHORTEST_READING_S = 2.0  # of speech; in less, some language makes a confident sentence of a noise
CANDIDATES = 5  # languages in which a sample is read where the detection is not sure
TOKENS_A_SECOND = 4.0  # of speech
SMALLEST = 1e-9  # probability
SURE = 0.8
SHORTEST_STRETCH_S = 10.0  # of speech; a foreign name or a quotation is shorter


@dataclass(frozen=True)
class LanguageHint:
    """The language of a recording as the submitter gave it, or as it is likely by its source; None if unknown.

    `earlier` tells that of earlier recordings of the source, as far as they are read when it is asked. It counts where
    neither the source nor the file names one.
    """

    given: str | None = None
    likely: str | None = None
    earlier: Callable[[], str | None] = lambda: None


def samples(parts: Sequence[SpeechChunk]) -> list[SpeechChunk]:
    """Return the chunks by which the language is found: that with most speech in each third of the recording."""
    count = min(SAMPLES, len(parts))
    limits = [round(number * len(parts) / max(1, count)) for number in range(count + 1)]
    thirds = (parts[first:last] for first, last in pairwise(limits))
    return [max(third, key=lambda part: part.speech_s) for third in thirds]


def shares(found: Iterable[tuple[SpeechChunk, ChunkTranscript]]) -> dict[str, float]:
    """Return the probabilities of languages over chunks, weighted by their seconds of speech."""
    total_s, sums = 0.0, dict[str, float]()
    for part, detected in found:
        total_s += part.speech_s
        for name, probability in detected.languages.items():
            sums[name] = sums.get(name, 0.0) + probability * part.speech_s
    return {name: share / total_s for name, share in sums.items()} if total_s else sums


def candidates(detected: dict[str, float], likely: str | None, speech_s: float) -> dict[str, float]:
    """Return the languages that a recording may be in, with their weights.

    It is one where the detection is sure, or its sample has too little speech to be read in several.

    The language that is `likely` by the source weighs more.
    """
    weights = {name: share * (LIKELY_ODDS if name == likely else 1.0) for name, share in detected.items()}
    total = sum(weights.values()) or 1.0
    best = sorted(weights, key=lambda name: weights[name], reverse=True)
    is_one = weights[best[0]] / total >= SURE_WITHOUT_READING or speech_s < SHORTEST_READING_S
    return {name: weights[name] / total for name in best[: 1 if is_one else CANDIDATES]}


def best_read(
    weights: dict[str, float], read: Callable[[Sequence[str]], Iterable[ChunkTranscript]], speech_s: float
) -> str:
    """Return the candidate whose reading is the most probable one, together with the weight of its language.

    `read` returns a reading for each language. After that of the first one, those that could not be better whatever
    they read are left out. A reading without words, or of repeated ones, says nothing for its language.
    """
    tokens = speech_s * TOKENS_A_SECOND  # the same number for all: a short reading is not more probable
    logs = {name: log(max(weight, SMALLEST)) for name, weight in weights.items()}
    first, *others = weights
    scores: dict[str, float] = {}
    for names in ([first], others):
        able = [name for name in names if logs[name] > max(scores.values(), default=-inf)]
        scores |= {
            name: logs[name] + tokens * said.avg_logprob
            for name, said in zip(able, read(able), strict=True)
            if said.words and said.compression_ratio < REPETITIVE
        }
    return max(scores or weights, key=lambda name: scores.get(name, weights[name]))


def of_stretches(found: Sequence[tuple[SpeechChunk, ChunkTranscript]], language: str) -> list[str]:
    """Return the language of each chunk: that of the recording, or another one in a long stretch that is sure."""
    names: list[str] = []
    for name, group in groupby(found, key=lambda one: _sure_language(one[1]) or language):
        stretch = list(group)
        is_long = sum(part.speech_s for part, _ in stretch) >= SHORTEST_STRETCH_S
        names += [name if is_long else language] * len(stretch)
    return names


def more_probable(first: Piece, other: Piece) -> Piece:
    """Return the reading in another language if it is the more probable one."""
    is_better = bool(other.transcript.words) and other.transcript.avg_logprob > first.transcript.avg_logprob
    return other if is_better or not first.transcript.words else first


def _sure_language(detected: ChunkTranscript) -> str | None:
    """Return the language of a chunk; None if the detection is not sure."""
    best = max(detected.languages.items(), key=lambda one: one[1], default=("", 0.0))
    return best[0] if best[1] >= SURE else None
