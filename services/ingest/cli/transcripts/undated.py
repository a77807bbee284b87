"""Says how many recordings a filter by day leaves out, because their day is not known."""

from __future__ import annotations

from ingest.cli import console


def print_undated(count: int) -> None:
    """Print the number of recordings of unknown day on standard error; nothing where there is none."""
    if count:
        console.err.print(f"left out by the day: {count} recordings of unknown day (`ingest run --published`)")
