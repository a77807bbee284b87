"""Which files of the volume are not needed any more, and why: a pure decision over what lies there.

    indexed    audio of a video that was indexed long enough ago
    budget     the oldest audio of indexed videos, while the volume uses more of its budget than downloads may begin at
    unfinished what an interrupted write has left, older than the longest job
    replaced   a file in the folder of a video that no manifest names any more, after a time of grace
    unknown    the folder of a video that the table does not know, after a time of grace

A video that is on its way is never touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

BUDGET_SHARE = 0.7  # below it, downloads that were paused go on


@dataclass(frozen=True)
class Audio:
    """The audio of an indexed video, and when that was."""

    video_id: str
    title: str | None
    size_bytes: int
    indexed_at: datetime


@dataclass(frozen=True)
class Stray:
    """Something on the volume that belongs to nobody: `kind` is one of the last three reasons."""

    path: str
    kind: str
    size_bytes: int
    changed_at: datetime


@dataclass(frozen=True)
class Limits:
    """How long things are kept. `excess_bytes` is what must go until the budget is kept."""

    keep: timedelta
    longest_job: timedelta
    grace: timedelta
    excess_bytes: float


@dataclass(frozen=True)
class Removal:
    """A file (or folder) that goes, and the reason; a video id for audio, a path for anything else."""

    what: str
    reason: str
    size_bytes: int
    title: str | None = None


def audio_to_remove(found: Iterable[Audio], limits: Limits, now: datetime) -> list[Removal]:
    """Return the audio that goes, oldest first."""
    gone: list[Removal] = []
    freed = 0
    for audio in sorted(found, key=lambda one: one.indexed_at):
        is_old = now - audio.indexed_at >= limits.keep
        if not is_old and freed >= limits.excess_bytes:
            break
        freed += audio.size_bytes
        gone.append(Removal(audio.video_id, "indexed" if is_old else "budget", audio.size_bytes, audio.title))
    return gone


def strays_to_remove(found: Iterable[Stray], limits: Limits, now: datetime) -> list[Removal]:
    """Return the strays that go: unfinished ones after the longest job, others after their grace."""
    return [
        Removal(stray.path, stray.kind, stray.size_bytes)
        for stray in found
        if now - stray.changed_at >= (limits.longest_job if stray.kind == "unfinished" else limits.grace)
    ]
