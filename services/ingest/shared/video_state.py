"""The state of a video, folded from its events. Pure; the ledger keeps it in the table, `ingest run` on the screen.

Events may come twice, late, or from two workers at once (one was taken for dead). The order in the stream decides, with
these exceptions: an older generation does not change a newer one; within a generation a second submission changes
nothing; a finished video is reopened only by INDEXED or REPLAYED, and `indexed` is never overwritten; a stage that has
ended changes nothing when the next one has begun.

Services publish side by side, and several ledgers take events side by side. So an event may come late that ends the
video, or reopens it. It counts unless something has come after it: whatever the order in which the events of a video
are folded, it ends as it does in the order of the stream.
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

    One that comes late adds what is not known yet, and changes the state if nothing has come after it that does.
    """
    if event.generation < known.generation:
        return known
    is_new = event.generation > known.generation
    if is_new:
        known = _asked_anew(known)
    is_late = not is_new and position <= known.position
    learned = _completed(known, event) if is_late else _overwritten(known, event, position)
    if not is_new and not (_may_change_late if is_late else _may_change)(known, event):
        return learned
    is_news = event.kind in _WITH_REASON
    return replace(
        learned,
        generation=event.generation,
        state=_STATE_AFTER[event.kind],
        stage=event.stage,
        attempts=event.attempt,
        code=event.code if is_news else None,
        message=event.text if is_news else "",
        retry_at=event.retry_at,
        figures=without_progress(learned.figures) if is_late else learned.figures,
        updated_at=event.at,
    )


_REQUESTS: Final = frozenset({EventKind.SUBMITTED, EventKind.REPLAYED})
_FAILURES: Final = frozenset({EventKind.FAILED, EventKind.SKIPPED})
_WITH_REASON: Final = _FAILURES | {EventKind.POSTPONED, EventKind.RETRYING, EventKind.DEFERRED}
_PLACE: Final = {stage: place for place, stage in enumerate(Stage)}


def _asked_anew(known: VideoRecord) -> VideoRecord:
    """Return what is known without what each request says for itself: limits, fresh files, speakers, language, time."""
    return replace(
        known,
        metadata=known.metadata.model_copy(update=dict.fromkeys(OF_THE_REQUEST)),
        policy=Policy(),
        fresh_from=0,
        asked_at=None,
    )


def _overwritten(known: VideoRecord, event: Event, position: Position) -> VideoRecord:
    """Return what is known with what an event says, which counts more."""
    return replace(
        _completed(known, event),
        source=event.source or known.source,
        metadata=event.metadata.over(known.metadata),
        figures={**without_progress(known.figures), **_figures(known, event)},
        asked_at=event.at if event.kind in _REQUESTS else known.asked_at,
        position=max(position, known.position),
    )


def _completed(known: VideoRecord, event: Event) -> VideoRecord:
    """Return what is known, with its gaps filled by an event."""
    requested = [at for at in (known.asked_at, event.at if event.kind in _REQUESTS else None) if at is not None]
    return replace(
        known,
        source=known.source or event.source,
        metadata=known.metadata.over(event.metadata),
        policy=known.policy if known.policy != Policy() else event.policy or Policy(),
        fresh_from=known.fresh_from or event.fresh_from or 0,
        figures={**without_progress(_figures(known, event)), **known.figures},
        asked_at=max(requested, default=None),
    )


def _figures(known: VideoRecord, event: Event) -> dict[str, float]:
    """Return the figures of an event; starved seconds before the submission of the video do not count."""
    figures = {f"{event.stage}.{name}": value for name, value in event.numbers.items()}
    if known.asked_at is not None and event.kind not in _REQUESTS:
        since_s = max(0.0, (event.at - known.asked_at).total_seconds())
        figures |= {name: min(value, since_s) for name, value in figures.items() if name.endswith("_starved_s")}
    return figures


def _may_change(known: VideoRecord, event: Event) -> bool:
    """Return whether an event changes the state within a generation, which begins with its first submission."""
    kind = event.kind
    if known.state == VideoState.INDEXED or kind is EventKind.SUBMITTED:
        return False
    if known.state in ENDED:
        return kind in (EventKind.INDEXED, EventKind.REPLAYED) or kind in _FAILURES
    return kind is not EventKind.FINISHED or _PLACE[event.stage] >= _PLACE[known.stage]


def _may_change_late(known: VideoRecord, event: Event) -> bool:
    """Return whether an event changes the state although a later one of its generation is known."""
    kind = event.kind
    if known.state == VideoState.INDEXED or kind is EventKind.SUBMITTED:
        return False
    if known.state in ENDED:
        return kind is EventKind.INDEXED or (kind is EventKind.REPLAYED and _is_after(event, known.updated_at))
    if kind in _FAILURES:
        return _is_after(event, known.asked_at)
    return kind is EventKind.INDEXED or (
        _PLACE[event.stage] > _PLACE[known.stage] and _is_after(event, known.updated_at)
    )


def _is_after(event: Event, at: datetime | None) -> bool:
    return at is None or event.at > at
