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


def is_mixed(video_id: str, texts: list[str]) -> bool:
    """Tell whether passages are anything else than all those of one run of this video, in their order."""
    first = RUN.match(texts[0]) if texts else None
    if first is None:
        return True
    generation = int(first[2])
    return texts != [passage(video_id, generation, number) for number in range(passages(generation))]
