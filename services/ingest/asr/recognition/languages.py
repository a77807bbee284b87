"""Decides the language of a recording, and of stretches in another language. Pure.

The detection of Whisper is unsure about a few seconds of speech. So the probabilities of chunks are weighted by their
speech, and only a longer stretch with a sure detection is in another language than the recording.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.asr.recognition.chunks import SpeechChunk
    from ingest.asr.recognition.pieces import Piece
    from ingest.asr.recognition.whisper import ChunkTranscript

SAMPLES = 3
LIKELY_ODDS = 10.0  # of the language that is likely by the source: it wins unless another is ten times as probable
SURE = 0.8
SHORTEST_STRETCH_S = 10.0  # of speech; a foreign name or a quotation is shorter


@dataclass(frozen=True)
class Expected:
    """The language of a recording as the submitter gave it, or as it is likely by its source; None if unknown."""

    given: str | None = None
    likely: str | None = None


def samples(parts: Sequence[SpeechChunk]) -> list[SpeechChunk]:
    """Return the chunks by which the language is found: that with most speech in each third of the recording."""
    count = min(SAMPLES, len(parts))
    limits = [round(number * len(parts) / max(1, count)) for number in range(count + 1)]
    thirds = (parts[first:last] for first, last in pairwise(limits))
    return [max(third, key=lambda part: part.speech_s) for third in thirds]


def most_probable(found: Iterable[tuple[SpeechChunk, ChunkTranscript]], likely: str | None = None) -> tuple[str, float]:
    """Return the language of chunks with its detected probability, weighted by their seconds of speech.

    Where the detection is unsure, the language that is `likely` by the source is preferred.
    """
    total_s, shares = 0.0, dict[str, float]()
    for part, detected in found:
        total_s += part.speech_s
        for name, probability in detected.languages.items():
            shares[name] = shares.get(name, 0.0) + probability * part.speech_s
    best = max(shares, key=lambda name: shares[name] * (LIKELY_ODDS if name == likely else 1.0))
    return best, round(shares[best] / total_s, 4) if total_s else 0.0


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
