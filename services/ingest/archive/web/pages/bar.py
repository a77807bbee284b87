"""The bar of who speaks when: one colour for each speaker of a recording. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.archive.web import shapes

WIDTH = 1000.0
COLOURS = 8
JOINED_S = 2.0  # shorter pauses of one speaker are not drawn
LEAST_WIDTH = 1.0


@dataclass(frozen=True)
class Span:
    """A stretch of one speaker, in units of the bar's width."""

    x: float
    width: float
    colour: int
    speaker: str
    start_s: float


def colours(speakers: Sequence[shapes.Share]) -> dict[str | None, int]:
    """Return the number of each speaker's colour; the one who speaks most has the first."""
    return {share.speaker: number % COLOURS for number, share in enumerate(speakers)}


def spans(passages: Sequence[shapes.Passage], duration_s: float | None, colour_of: dict[str | None, int]) -> list[Span]:
    """Return the stretches of all speakers, in order."""
    length_s = max([duration_s or 0.0, *(passage.end_s for passage in passages)], default=0.0)
    joined: list[tuple[str | None, float, float]] = []
    for passage in passages:
        if joined and joined[-1][0] == passage.speaker and passage.start_s - joined[-1][2] <= JOINED_S:
            joined[-1] = (passage.speaker, joined[-1][1], max(joined[-1][2], passage.end_s))
        else:
            joined.append((passage.speaker, passage.start_s, passage.end_s))
    scale = WIDTH / length_s if length_s else 0.0
    return [
        Span(
            x=round(start_s * scale, 1),
            width=max(LEAST_WIDTH, round((end_s - start_s) * scale, 1)),
            colour=colour_of.get(speaker, 0),
            speaker=speaker or "Unknown",
            start_s=start_s,
        )
        for speaker, start_s, end_s in joined
    ]
