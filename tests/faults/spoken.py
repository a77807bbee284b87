"""The text of the stand-ins' recordings: known beforehand, so that a reader can distinguish runs."""

from __future__ import annotations

import re

FEWEST = 5
RUN = re.compile(r"^Video (\S+) run (\d+) passage (\d+)\.$")


def passage(video_id: str, generation: int, number: int) -> str:
    """Return the text of a passage; it names the run."""
    return f"Video {video_id} run {generation} passage {number}."


def passages(generation: int) -> int:
    """Return the number of passages of a run; the next run has another number."""
    return FEWEST + generation % 3


def run_of(video_id: str, texts: list[str]) -> int | None:
    """Return the run of these texts if they are all of its passages, in order; else None."""
    first = RUN.match(texts[0]) if texts else None
    if first is None:
        return None
    generation = int(first[2])
    whole = [passage(video_id, generation, number) for number in range(passages(generation))]
    return generation if texts == whole else None
