"""A span of a recording. Pure and without heavy imports, since the command line uses it too."""

from __future__ import annotations

from dataclasses import dataclass

PADDING_S = 0.2  # that the voice activity detection adds on both sides of speech, where a pause has room for it


@dataclass(frozen=True)
class Span:
    """A part of a recording, from `start_s` to `end_s`."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s
