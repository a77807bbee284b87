"""What is said in the recordings of the stand-ins: known beforehand, so that a reader can tell one run from another."""

from __future__ import annotations

import re

FEWEST = 5
RUN = re.compile(r"^Video (\S+) run (\d+) passage (\d+)\.$")


def passage(video_id: str, generation: int, number: int) -> str:
    """Return what is said in a passage: from it a reader knows the run."""
    return f"Video {video_id} run {generation} passage {number}."


def passages(generation: int) -> int:
    """Return how many passages a run has; the next run has another number."""
    return FEWEST + generation % 3


def run_of(video_id: str, texts: list[str]) -> int | None:
    """Return the run whose passages these are: all of them, in their order. None when they are anything else."""
    first = RUN.match(texts[0]) if texts else None
    if first is None:
        return None
    generation = int(first[2])
    whole = [passage(video_id, generation, number) for number in range(passages(generation))]
    return generation if texts == whole else None
