"""Which pieces of a recording are listened to, to know a voice: turns become pieces of a few lengths. Pure.

A turn gives the longest stretch in which nobody else speaks (all of it, if there is none); under half a second it gives
nothing. Long ones are sampled over their whole length. Lengths lie on a grid, so that pieces share batches unpadded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ingest.asr.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.asr.audio import Waveform
    from ingest.shared.artifacts.transcript import Turn

SHORTEST_S = 0.5
GRID_S = 0.25
LONGEST_S = 3.0
SAMPLE_EVERY_S = 6.0
MOST_PIECES = 5
SILENCE = 1e-4  # root mean square; full scale is 1


@dataclass(frozen=True)
class Piece:
    """Samples `start` to `start + count` of a recording; `owner` is the number of the turn they belong to."""

    owner: int
    start: int
    count: int


def solo_spans(turns: Sequence[Turn]) -> list[Span]:
    """Return where each turn is heard alone. The turns are in order of their start, so that only near ones overlap."""
    spans = [Span(turn.start_s, turn.end_s) for turn in turns]
    others: list[list[Span]] = [[] for _ in turns]
    open_turns: list[int] = []
    for number, turn in enumerate(turns):
        open_turns = [other for other in open_turns if turns[other].end_s > turn.start_s]
        for other in open_turns:
            if turns[other].cluster != turn.cluster:
                others[number].append(spans[other])
                others[other].append(spans[number])
        open_turns.append(number)
    return [solo(span, near) for span, near in zip(spans, others, strict=True)]


def solo(span: Span, others: Iterable[Span]) -> Span:
    """Return the longest part of a span that touches none of the others; the span itself when that is too short."""
    free = [span]
    for other in others:
        free = [part for old in free for part in _without(old, other)]
    best = max(free, key=lambda part: part.duration_s, default=span)
    return best if best.duration_s >= SHORTEST_S else span


def _without(span: Span, other: Span) -> Iterable[Span]:
    if other.end_s <= span.start_s or other.start_s >= span.end_s:
        yield span
        return
    if other.start_s > span.start_s:
        yield Span(span.start_s, other.start_s)
    if other.end_s < span.end_s:
        yield Span(other.end_s, span.end_s)


def cut(spans: Sequence[Span], rate: int) -> list[Piece]:
    """Return the pieces of spans at a sample rate."""
    return [
        Piece(owner, round(start_s * rate), round(length_s * rate))
        for owner, span in enumerate(spans)
        for start_s, length_s in _pieces(span)
    ]


def _pieces(span: Span) -> Iterable[tuple[float, float]]:
    """Yield (start, length) in seconds: one piece from the middle of a short span, several spread over a long one."""
    if span.duration_s < SHORTEST_S:
        return
    count = min(MOST_PIECES, max(1, math.ceil(span.duration_s / SAMPLE_EVERY_S)))
    length_s = min(LONGEST_S, math.floor(span.duration_s / count / GRID_S + 1e-6) * GRID_S)
    slack_s = span.duration_s / count - length_s
    for number in range(count):
        yield span.start_s + number * span.duration_s / count + slack_s / 2, length_s


def audible(pieces: Iterable[Piece], waveform: Waveform) -> list[Piece]:
    """Return the pieces that lie inside the recording and are not silent."""
    found = []
    for piece in pieces:
        samples = waveform[piece.start : piece.start + piece.count]
        if len(samples) == piece.count and float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) > SILENCE:
            found.append(piece)
    return found


def batches(pieces: Iterable[Piece], most: int) -> list[list[Piece]]:
    """Return batches of at most `most` pieces of one length."""
    by_length: dict[int, list[Piece]] = {}
    for piece in pieces:
        by_length.setdefault(piece.count, []).append(piece)
    return [group[at : at + most] for group in by_length.values() for at in range(0, len(group), most)]


def spread(speech: Sequence[Span], every_s: float, least: int) -> list[Span]:
    """Return spans of speech to listen to, spread over all of it: one in every `every_s`, and at least `least`."""
    total_s = sum(span.duration_s for span in speech)
    count = max(least, math.ceil(total_s / every_s))
    wanted = [(number + 0.5) * total_s / count for number in range(count)]
    chosen, passed_s = [], 0.0
    for span in speech:
        here = [at - passed_s for at in wanted if passed_s <= at < passed_s + span.duration_s]
        chosen += [_around(span, at) for at in here]
        passed_s += span.duration_s
    return [span for span in dict.fromkeys(chosen) if span.duration_s >= SHORTEST_S]


def _around(span: Span, at_s: float) -> Span:
    """Return up to LONGEST_S seconds of a span around the second `at_s` of it."""
    start_s = min(max(0.0, at_s - LONGEST_S / 2), max(0.0, span.duration_s - LONGEST_S))
    return Span(span.start_s + start_s, span.start_s + min(span.duration_s, start_s + LONGEST_S))
