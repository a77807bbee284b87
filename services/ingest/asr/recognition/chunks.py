"""Merges spans of speech into chunks of at most 30 s, cut at pauses. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.asr.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST_CHUNK_S = 30.0
LONGEST_GAP_S = 2.0


@dataclass(frozen=True)
class SpeechChunk:
    """A part of a recording for the recognizer, and the spans of speech in it."""

    span: Span
    speech: tuple[Span, ...]

    @property
    def speech_s(self) -> float:
        """Return the seconds of speech."""
        return sum(span.duration_s for span in self.speech)


def merge(
    speech: Iterable[Span], longest_s: float = LONGEST_CHUNK_S, longest_gap_s: float = LONGEST_GAP_S
) -> list[SpeechChunk]:
    """Merge neighbouring spans into chunks of at most `longest_s`. A pause over `longest_gap_s` always ends a chunk."""
    chunks: list[SpeechChunk] = []
    group: list[Span] = []
    for span in speech:
        if group and (span.end_s - group[0].start_s > longest_s or span.start_s - group[-1].end_s > longest_gap_s):
            chunks.append(_chunk(group))
            group = []
        group.append(span)
    if group:
        chunks.append(_chunk(group))
    return chunks


def _chunk(spans: Sequence[Span]) -> SpeechChunk:
    return SpeechChunk(Span(spans[0].start_s, spans[-1].end_s), tuple(spans))
