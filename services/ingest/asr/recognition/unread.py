"""Finds speech of a chunk that has no words, and puts the words of a second reading in their place. Pure.

Whisper may stop early, or leave out a stretch: nothing in its result says so. The voice activity detection does. The
alignment stretches a word over the speech that follows it without words. A word that is longer than plausible is read
again together with that speech.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import pairwise
from typing import TYPE_CHECKING

from ingest.asr.recognition.chunks import SpeechChunk
from ingest.asr.recognition.invention import IMPROBABLE, SILENT
from ingest.asr.recognition.segments import REPETITIVE
from ingest.asr.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.asr.recognition.pieces import Piece
    from ingest.asr.recognition.whisper import ChunkTranscript, ChunkWord

LONGEST_WORD_S = 1.2
SECONDS_A_CHARACTER = 0.12
PADDING_S = 0.3  # of the voice activity detection, around speech: holds no word
SHORTEST_UNREAD_S = 2.0  # speech; less is a breath or a slow word


class Reason(Enum):
    """Why speech is read again: it has no words, the words are repeated, or they are improbable."""

    NO_WORDS = auto()
    REPEATED = auto()
    IMPROBABLE = auto()


@dataclass(frozen=True)
class Gap:
    """Speech to be read again, and the words that this may replace: from `first` to before `last`."""

    chunk: SpeechChunk
    first: int
    last: int
    reason: Reason = Reason.NO_WORDS


def gaps(piece: Piece) -> list[Gap]:
    """Return the speech of an open piece that has no words, in order; the whole piece if its text is doubtful."""
    said = piece.transcript
    if not piece.is_open:
        return []
    if said.words and said.compression_ratio >= REPETITIVE:
        return [Gap(piece.chunk, 0, len(said.words), Reason.REPEATED)]
    if said.words and said.avg_logprob < IMPROBABLE:
        return [Gap(piece.chunk, 0, len(said.words), Reason.IMPROBABLE)]
    return [gap for gap, missing_s in _spaces(piece) if missing_s >= SHORTEST_UNREAD_S]


def chunks_of(piece: Piece, gap: Gap) -> list[SpeechChunk]:
    """Return the chunks to read for a gap. The same cut would have the same result: the whole piece is cut in two."""
    is_whole = gap.reason is not Reason.NO_WORDS or not piece.transcript.words
    return in_parts(gap.chunk) if is_whole else [gap.chunk]


def is_trusted(transcript: ChunkTranscript) -> bool:
    """Whether the words of a reading are probable, and no loop: speech that was left out may be music or noise."""
    is_probable = transcript.avg_logprob >= IMPROBABLE and transcript.no_speech_prob <= SILENT
    return bool(transcript.words) and is_probable and transcript.compression_ratio < REPETITIVE


def filled(piece: Piece, readings: Sequence[tuple[Gap, Sequence[Piece]]]) -> list[Piece]:
    """Return a piece as consecutive pieces: its words, and what was read in its gaps.

    The words of a gap are kept if its readings have none. Improbable words are kept unless all readings have words.
    """
    if not readings:
        return [piece]
    parts, at = [], 0
    for gap, found in readings:
        have_words = [bool(one.transcript.words) for one in found]
        is_better = all(have_words) if gap.reason is Reason.IMPROBABLE else any(have_words)
        parts.append(_closed(piece, at, gap.first if is_better else gap.last))
        parts += found if is_better or gap.reason is Reason.NO_WORDS else []
        at = gap.last
    parts.append(_closed(piece, at, len(piece.transcript.words)))
    return [part for part in parts if part.transcript.words or part.is_open]


def unread(piece: Piece) -> list[Span]:
    """Return the speech of a piece that stays without words."""
    if not piece.transcript.words:
        return list(piece.chunk.speech)
    return [span for gap in gaps(piece) if gap.reason is Reason.NO_WORDS for span in gap.chunk.speech]


def in_parts(chunk: SpeechChunk) -> list[SpeechChunk]:
    """Return the two halves of a chunk, cut at its longest pause; none where there is no pause."""
    speech = chunk.speech
    if len(speech) == 1:
        return []
    pauses = [after.start_s - before.end_s for before, after in pairwise(speech)]
    middle = pauses.index(max(pauses)) + 1
    return [SpeechChunk(Span(half[0].start_s, half[-1].end_s), half) for half in (speech[:middle], speech[middle:])]


def _spaces(piece: Piece) -> Iterator[tuple[Gap, float]]:
    """Yield each space before, between and behind the words that has speech, and the seconds of speech without words.

    A word that is longer than plausible is part of the space behind it.
    """
    words, offset_s = piece.transcript.words, piece.chunk.span.start_s
    start_s, first, plausible_s = offset_s, 0, 0.0
    for index, word in enumerate((*words, None)):
        end_s = piece.chunk.span.end_s if word is None else offset_s + word.start_s
        part = _part(piece.chunk, Span(start_s, end_s))
        if part is not None:
            yield Gap(part, first, index), part.speech_s - plausible_s
        if word is not None:
            longest_s = _longest_s(word)
            is_stretched = word.end_s - word.start_s > longest_s
            start_s = max(start_s, offset_s + (word.start_s if is_stretched else word.end_s))
            first, plausible_s = (index, longest_s) if is_stretched else (index + 1, 0.0)


def _longest_s(word: ChunkWord) -> float:
    """Return the longest plausible length of a word."""
    return max(LONGEST_WORD_S, SECONDS_A_CHARACTER * len(word.text))


def _part(chunk: SpeechChunk, span: Span) -> SpeechChunk | None:
    """Return the part of a chunk in a span, from the first speech in it to the last; None without speech."""
    inside = (Span(max(one.start_s, span.start_s), min(one.end_s, span.end_s)) for one in chunk.speech)
    speech = tuple(one for one in inside if one.duration_s > PADDING_S)
    return SpeechChunk(Span(speech[0].start_s, speech[-1].end_s), speech) if speech else None


def _closed(piece: Piece, first: int, last: int) -> Piece:
    """Return a piece with some of its words, in which nothing is looked for any more."""
    some = replace(piece.transcript, words=piece.transcript.words[first:last])
    return replace(piece, transcript=some, is_open=False)
