"""Chooses the excerpts of a recording from which voice embeddings are computed. Pure.

The excerpts of a turn come from its longest part without other speakers, or from all of it if there is no such part.
A turn under half a second has none; a long turn has several, spread over it. Their lengths lie on a grid, so that
excerpts share batches without padding.
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
MAX_EXCERPTS = 5
SILENCE = 1e-4  # root mean square; full scale is 1


@dataclass(frozen=True)
class Excerpt:
    """Samples `start` to `start + count` of a recording; `owner` is the number of their turn."""

    owner: int
    start: int
    count: int


def solo_spans(turns: Sequence[Turn]) -> list[Span]:
    """Return the longest part of each turn without other speakers. The turns are ordered by their start."""
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
    """Return the longest part of a span that overlaps no other span; the whole span if that part is too short."""
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


def cut(spans: Sequence[Span], rate: int) -> list[Excerpt]:
    """Return the excerpts of spans at a sample rate."""
    return [
        Excerpt(owner, round(start_s * rate), round(length_s * rate))
        for owner, span in enumerate(spans)
        for start_s, length_s in _parts(span)
    ]


def _parts(span: Span) -> Iterable[tuple[float, float]]:
    """Yield (start, length) in seconds: one part from the middle of a short span, several spread over a long one."""
    if span.duration_s < SHORTEST_S:
        return
    count = min(MAX_EXCERPTS, max(1, math.ceil(span.duration_s / SAMPLE_EVERY_S)))
    length_s = min(LONGEST_S, math.floor(span.duration_s / count / GRID_S + 1e-6) * GRID_S)
    slack_s = span.duration_s / count - length_s
    for number in range(count):
        yield span.start_s + number * span.duration_s / count + slack_s / 2, length_s


def audible(excerpts: Iterable[Excerpt], waveform: Waveform) -> list[Excerpt]:
    """Return the excerpts that lie inside the recording and are not silent."""
    return [excerpt for excerpt in excerpts if _is_audible(excerpt, waveform)]


def _is_audible(excerpt: Excerpt, waveform: Waveform) -> bool:
    samples = waveform[excerpt.start : excerpt.start + excerpt.count]
    return len(samples) == excerpt.count and float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) > SILENCE


def batches(excerpts: Iterable[Excerpt], most: int) -> list[list[Excerpt]]:
    """Return batches of at most `most` excerpts of one length."""
    by_length: dict[int, list[Excerpt]] = {}
    for excerpt in excerpts:
        by_length.setdefault(excerpt.count, []).append(excerpt)
    return [group[at : at + most] for group in by_length.values() for at in range(0, len(group), most)]


def spread(speech: Sequence[Span], every_s: float, least: int) -> list[Span]:
    """Return samples spread evenly over all speech: one in every `every_s` seconds of it, and at least `least`."""
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
    """Return up to LONGEST_S seconds of a span around its second `at_s`."""
    start_s = min(max(0.0, at_s - LONGEST_S / 2), max(0.0, span.duration_s - LONGEST_S))
    return Span(span.start_s + start_s, span.start_s + min(span.duration_s, start_s + LONGEST_S))
