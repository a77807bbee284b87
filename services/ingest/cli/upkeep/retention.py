"""Decides which files of the volume are no longer needed, and why. Pure.

    indexed    audio of a video that was indexed long enough ago
    budget     the oldest audio of indexed videos, while the volume uses more of its budget than allows downloads
    unfinished a temporary file of an interrupted write, older than the longest job
    replaced   a file in the folder of a video that no manifest names, after a grace period
    earlier    the transcript before the last run, for as long as audio is kept
    unknown    the folder of a video that is not in the table, after a grace period

Files of an unfinished video are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta


@dataclass(frozen=True)
class Audio:
    """The audio of an indexed video, and the time when it was indexed."""

    video_id: str
    title: str | None
    size_bytes: int
    indexed_at: datetime


@dataclass(frozen=True)
class Stray:
    """A file or folder on the volume that belongs to no video; `kind` is one of the last four reasons."""

    path: str
    kind: str
    size_bytes: int
    changed_at: datetime


@dataclass(frozen=True)
class Limits:
    """How long files are kept. `excess_bytes` is the size that must be deleted to keep the budget."""

    keep: timedelta
    longest_job: timedelta
    grace: timedelta
    excess_bytes: float


@dataclass(frozen=True)
class Removal:
    """A file or folder to delete, and the reason; `what` is a video id for audio, otherwise a path."""

    what: str
    reason: str
    size_bytes: int
    title: str | None = None


def audio_to_remove(found: Iterable[Audio], limits: Limits, now: datetime) -> list[Removal]:
    """Return the audio to delete, oldest first."""
    removals: list[Removal] = []
    freed = 0
    for audio in sorted(found, key=lambda one: one.indexed_at):
        is_old = now - audio.indexed_at >= limits.keep
        if not is_old and freed >= limits.excess_bytes:
            break
        freed += audio.size_bytes
        removals.append(Removal(audio.video_id, "indexed" if is_old else "budget", audio.size_bytes, audio.title))
    return removals


def strays_to_remove(found: Iterable[Stray], limits: Limits, now: datetime) -> list[Removal]:
    """Return the strays to delete: unfinished ones after the longest job, most others after the grace period."""
    after = {"unfinished": limits.longest_job, "earlier": max(limits.keep, limits.grace)}
    return [
        Removal(stray.path, stray.kind, stray.size_bytes)
        for stray in found
        if now - stray.changed_at >= after.get(stray.kind, limits.grace)
    ]
