"""Merges spans of speech into chunks of at most 30 s, cut at pauses. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ingest.asr.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST_CHUNK_S = 30.0
LONGEST_GAP_S = 2.0
CONTEXT_S = 0.2  # of audio around a chunk: the voice activity detection may begin behind a soft first word


@dataclass(frozen=True)
class SpeechChunk:
    """A part of a recording for the recognizer, and the spans of speech in it, which may be shorter."""

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


def with_context(chunks: Sequence[SpeechChunk]) -> list[SpeechChunk]:
    """Return chunks with a bit of the audio around them: at most half of the pause between two, within 30 s.

    The first chunk may begin with the recording.
    """
    ends_s = [-math.inf, *(chunk.span.end_s for chunk in chunks)]
    starts_s = [*(chunk.span.start_s for chunk in chunks[1:]), math.inf]
    return [
        replace(chunk, span=_wider(chunk.span, chunk.span.start_s - end_s, start_s - chunk.span.end_s))
        for chunk, end_s, start_s in zip(chunks, ends_s, starts_s, strict=False)
    ]


def _wider(span: Span, before_s: float, after_s: float) -> Span:
    """Return a span with context; `before_s` and `after_s` are the pauses around it."""
    most_s = max(0.0, min(CONTEXT_S, (LONGEST_CHUNK_S - span.duration_s) / 2))
    start_s = span.start_s - min(most_s, before_s / 2)
    return Span(max(0.0, start_s), span.end_s + min(most_s, after_s / 2))


def _chunk(spans: Sequence[Span]) -> SpeechChunk:
    return SpeechChunk(Span(spans[0].start_s, spans[-1].end_s), tuple(spans))
