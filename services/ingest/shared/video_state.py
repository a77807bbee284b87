"""The state of a video, folded from its events. Pure; the ledger keeps it in the table, `ingest run` on the screen.

Events may come twice, late, or from two workers at once (one was taken for dead). The order in the stream decides, with
three exceptions: an older generation does not change a newer one; within a generation a second submission changes
nothing; a finished video is reopened only by INDEXED or REPLAYED, and `indexed` is never overwritten.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ingest.shared.messages import Event, EventKind, Metadata, Policy, Source, Stage
from ingest.shared.progress import without_progress

if TYPE_CHECKING:
    from datetime import datetime

    from ingest.shared.errors import Code

Position = tuple[int, int]  # when the stream was created (seconds), and the place in it: a wiped broker counts anew


class VideoState(StrEnum):
    """The column `state` of the table `videos`."""

    QUEUED = "queued"
    RUNNING = "running"
    POSTPONED = "postponed"
    INDEXED = "indexed"
    FAILED = "failed"
    SKIPPED = "skipped"
    DEFERRED = "deferred"


ASKED_AT: Final = "asked_at"  # the figure that says when a video was last asked for (seconds since 1970)
OF_THE_REQUEST: Final = ("min_speakers", "max_speakers", "given_language")  # metadata that each request gives anew
ENDED: Final = frozenset({VideoState.INDEXED, VideoState.FAILED, VideoState.SKIPPED})
SETTLED: Final = ENDED | {VideoState.DEFERRED}

_STATE_AFTER: Final = {
    EventKind.SUBMITTED: VideoState.QUEUED,
    EventKind.REPLAYED: VideoState.QUEUED,
    EventKind.STARTED: VideoState.RUNNING,
    EventKind.PROGRESS: VideoState.RUNNING,
    EventKind.FINISHED: VideoState.QUEUED,
    EventKind.POSTPONED: VideoState.POSTPONED,
    EventKind.RETRYING: VideoState.QUEUED,
    EventKind.INDEXED: VideoState.INDEXED,
    EventKind.FAILED: VideoState.FAILED,
    EventKind.SKIPPED: VideoState.SKIPPED,
    EventKind.DEFERRED: VideoState.DEFERRED,
}


@dataclass(frozen=True)
class VideoRecord:
    """What is known about a video. `figures` are numbers by stage and name, as `asr.took_s`; and ASKED_AT."""

    video_id: str
    generation: int = 0
    state: VideoState = VideoState.QUEUED
    stage: Stage = Stage.CHECK
    attempts: int = 0
    code: Code | None = None
    message: str = ""
    retry_at: datetime | None = None
    source: Source | None = None
    metadata: Metadata = field(default_factory=Metadata)
    policy: Policy = field(default_factory=Policy)
    fresh_from: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    asked_at: datetime | None = None
    position: Position = (0, 0)
    updated_at: datetime | None = None

    @property
    def is_settled(self) -> bool:
        """Return whether nothing more happens to the video by itself before `retry_at`."""
        return self.state in SETTLED

    def is_due(self, now: datetime) -> bool:
        """Return whether the video was deferred to a time that has come."""
        return self.state is VideoState.DEFERRED and self.retry_at is not None and self.retry_at <= now


def fold(known: VideoRecord, event: Event, position: Position) -> VideoRecord:
    """Return the state after an event at a position of the stream.

    One that comes late (several ledgers take events side by side) adds what is not known yet, and changes nothing else.
    """
    if event.generation < known.generation:
        return known
    if event.generation > known.generation:
        known = _asked_anew(known)
    elif position <= known.position:
        return _completed(known, event)
    learned = replace(
        _completed(known, event),
        source=event.source or known.source,
        metadata=event.metadata.over(known.metadata),
        figures={**without_progress(known.figures), **_figures(known, event)},
        asked_at=event.at if event.kind in _REQUESTS else known.asked_at,
        position=max(position, known.position),
        updated_at=event.at,
    )
    if event.generation == known.generation and not _may_change(known.state, event.kind):
        return learned
    is_news = event.kind in (EventKind.POSTPONED, EventKind.RETRYING) or event.kind in _ENDINGS
    return replace(
        learned,
        generation=event.generation,
        state=_STATE_AFTER[event.kind],
        stage=event.stage,
        attempts=event.attempt,
        code=event.code if is_news else None,
        message=event.text if is_news else "",
        retry_at=event.retry_at,
    )


_REQUESTS: Final = frozenset({EventKind.SUBMITTED, EventKind.REPLAYED})
_ENDINGS: Final = frozenset({EventKind.FAILED, EventKind.SKIPPED, EventKind.DEFERRED})


def _asked_anew(known: VideoRecord) -> VideoRecord:
    """Return what is known without what each request says for itself: limits, fresh files, speakers, language, time."""
    return replace(
        known,
        metadata=known.metadata.model_copy(update=dict.fromkeys(OF_THE_REQUEST)),
        policy=Policy(),
        fresh_from=0,
        asked_at=None,
    )


def _completed(known: VideoRecord, event: Event) -> VideoRecord:
    """Return what is known, with its gaps filled by an event."""
    return replace(
        known,
        source=known.source or event.source,
        metadata=known.metadata.over(event.metadata),
        policy=known.policy if known.policy != Policy() else event.policy or Policy(),
        fresh_from=known.fresh_from or event.fresh_from or 0,
        figures={**without_progress(_figures(known, event)), **known.figures},
        asked_at=known.asked_at or (event.at if event.kind in _REQUESTS else None),
    )


def _figures(known: VideoRecord, event: Event) -> dict[str, float]:
    """Return the figures of an event; starved seconds before the submission of the video do not count."""
    figures = {f"{event.stage}.{name}": value for name, value in event.numbers.items()}
    if known.asked_at is not None and event.kind not in _REQUESTS:
        since_s = max(0.0, (event.at - known.asked_at).total_seconds())
        figures |= {name: min(value, since_s) for name, value in figures.items() if name.endswith("_starved_s")}
    return figures


def _may_change(state: VideoState, kind: EventKind) -> bool:
    """Return whether an event changes the state within a generation, which begins with its first submission."""
    if state == VideoState.INDEXED or kind is EventKind.SUBMITTED:
        return False
    if state in ENDED:
        return kind in (EventKind.INDEXED, EventKind.REPLAYED)
    return True
