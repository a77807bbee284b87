"""The progress of a recording within a stage: figures of its events, and their text. Pure.

A handler reports the step, the seconds that are done, and the seconds of the recording (of a download: bytes). The
worker publishes such a report every few seconds at most. The figures are dropped with the next event of another kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "progress_"


class Step(IntEnum):
    """What is done with a recording; a figure of the events, so the numbers stay."""

    CHECKING = 1  # the downloaded file
    DECODING = 2
    FINDING_SPEECH = 3
    RECOGNISING = 4
    FINDING_SPEAKERS = 5
    DOWNLOADING = 6


@dataclass(frozen=True)
class Progress:
    """A step, and how many seconds or bytes of the recording it has done; `of` is 0 where the total is not known."""

    step: Step
    done: float
    of: float

    @property
    def share(self) -> float | None:
        """Return the share that is done, or None where it is not known."""
        return min(1.0, self.done / self.of) if self.of > 0 else None

    def figures(self) -> dict[str, float]:
        """Return the figures of an event."""
        return {f"{PREFIX}step": float(self.step), f"{PREFIX}done": self.done, f"{PREFIX}of": self.of}

    @property
    def length_s(self) -> float | None:
        """Return the seconds of the recording, or None where they are not known."""
        return self.of if self.of > 0 and self.step != Step.DOWNLOADING else None

    def __str__(self) -> str:
        """Return a text such as `recognising 34 %`."""
        name = self.step.name.lower().replace("_", " ")
        return name if self.share is None else f"{name} {self.share:.0%}".replace("%", " %")


def progress_of(figures: Mapping[str, float], stage: str) -> Progress | None:
    """Return the progress of a recording in a stage, or None without one (an older worker reports none)."""
    step, done, of = (figures.get(f"{stage}.{PREFIX}{name}") for name in ("step", "done", "of"))
    if step is None or done is None or of is None or step not in set(Step):
        return None
    return Progress(Step(int(step)), done, of)


def without_progress(figures: Mapping[str, float]) -> dict[str, float]:
    """Return figures without those of progress."""
    return {name: value for name, value in figures.items() if f".{PREFIX}" not in name}
