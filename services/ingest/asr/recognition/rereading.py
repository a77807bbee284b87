"""Reads again what the recognizer left out, and text that is improbable or repeated.

A gap between words is read once more from its beginning, then in two parts; a doubtful chunk is read in two parts. What
has no words after that stays unread, and is reported. `unread` has the decisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.asr.recognition.pieces import Piece
from ingest.asr.recognition.unread import chunks_of, filled, gaps, is_trusted, unread
from ingest.asr.recognition.whisper import ChunkTranscript

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ingest.asr.recognition.chunks import SpeechChunk
    from ingest.asr.spans import Span

    Read = Callable[[Sequence[tuple[SpeechChunk, str | None]]], Iterable[ChunkTranscript]]

ROUNDS = 2
NO_WORDS = ChunkTranscript()


@dataclass(frozen=True)
class Reading:
    """The pieces in order, the speech that stays without words, and how many chunks were read again."""

    pieces: tuple[Piece, ...]
    unread: tuple[Span, ...]
    chunks: int


def read_again(pieces: Sequence[Piece], read: Read) -> Reading:
    """Return the pieces with what `read` has found in their gaps; it gets chunks with their language."""
    current, count = list(pieces), 0
    for _ in range(ROUNDS):
        plans = [[(gap, chunks) for gap in gaps(piece) if (chunks := chunks_of(piece, gap))] for piece in current]
        wanted = [
            (chunk, piece.language)
            for piece, plan in zip(current, plans, strict=True)
            for _, chunks in plan
            for chunk in chunks
        ]
        seconds = iter([_piece(*one, second) for one, second in zip(wanted, read(wanted), strict=True)])
        current = [
            part
            for piece, plan in zip(current, plans, strict=True)
            for part in filled(piece, [(gap, [next(seconds) for _ in chunks]) for gap, chunks in plan])
        ]
        count += len(wanted)
    return Reading(tuple(current), tuple(span for piece in current for span in unread(piece)), count)


def _piece(chunk: SpeechChunk, language: str | None, second: ChunkTranscript) -> Piece:
    """Return a reading as a piece; without its words if they are likely to be invented."""
    return Piece(chunk, second if is_trusted(second) else NO_WORDS, language)
