"""Merges spans of speech into chunks of at most 30 s, cut at pauses. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from ingest.asr.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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
) -> Iterator[SpeechChunk]:
    """Merge neighbouring spans into chunks of at most `longest_s`. A pause over `longest_gap_s` always ends a chunk.

    A chunk comes as soon as the span behind it is known.
    """
    group: list[Span] = []
    for span in speech:
        if group and (span.end_s - group[0].start_s > longest_s or span.start_s - group[-1].end_s > longest_gap_s):
            yield _chunk(group)
            group = []
        group.append(span)
    if group:
        yield _chunk(group)


def with_context(chunks: Iterable[SpeechChunk]) -> Iterator[SpeechChunk]:
    """Yield chunks with a bit of the audio around them: at most half of the pause between two, within 30 s.

    The first chunk may begin with the recording. A chunk comes as soon as the next one is known.
    """
    end_s = -math.inf
    for chunk, following in pairwise(chain(chunks, [None])):
        if chunk is not None:
            start_s = following.span.start_s if following else math.inf
            yield replace(chunk, span=_wider(chunk.span, chunk.span.start_s - end_s, start_s - chunk.span.end_s))
            end_s = chunk.span.end_s


def _wider(span: Span, before_s: float, after_s: float) -> Span:
    """Return a span with context; `before_s` and `after_s` are the pauses around it."""
    most_s = max(0.0, min(CONTEXT_S, (LONGEST_CHUNK_S - span.duration_s) / 2))
    start_s = span.start_s - min(most_s, before_s / 2)
    return Span(max(0.0, start_s), span.end_s + min(most_s, after_s / 2))


def _chunk(spans: Sequence[Span]) -> SpeechChunk:
    return SpeechChunk(Span(spans[0].start_s, spans[-1].end_s), tuple(spans))
