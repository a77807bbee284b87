"""A stretch of a recording. Pure, and without what it takes to listen: the command line reckons with spans, too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """Somebody speaks from `start_s` to `end_s`."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s
