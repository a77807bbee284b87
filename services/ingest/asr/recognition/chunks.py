"""Speech becomes chunks of at most 30 s, cut where nobody speaks. Pure."""

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
    """A stretch of a recording for the recognizer, and where inside it somebody speaks."""

    span: Span
    speech: tuple[Span, ...]


def merge(
    speech: Iterable[Span], longest_s: float = LONGEST_CHUNK_S, longest_gap_s: float = LONGEST_GAP_S
) -> list[SpeechChunk]:
    """Merge neighbouring spans into chunks of at most `longest_s`; a pause over `longest_gap_s` always separates."""
    chunks: list[SpeechChunk] = []
    together: list[Span] = []
    for span in speech:
        if together and (
            span.end_s - together[0].start_s > longest_s or span.start_s - together[-1].end_s > longest_gap_s
        ):
            chunks.append(_chunk(together))
            together = []
        together.append(span)
    if together:
        chunks.append(_chunk(together))
    return chunks


def _chunk(spans: Sequence[Span]) -> SpeechChunk:
    return SpeechChunk(Span(spans[0].start_s, spans[-1].end_s), tuple(spans))
