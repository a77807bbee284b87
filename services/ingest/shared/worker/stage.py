"""What a service writes against: a stage, what its handler returns and reports, and the options of its worker."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from ingest.shared.messages import EventKind, Metadata, Stage, VideoMessage
from ingest.shared.worker.retry import Pauses

if TYPE_CHECKING:
    from ingest.shared.errors import Code

In = TypeVar("In", bound=VideoMessage)
Report = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class Done:
    """What a handler has made: the next message (or none), and what to tell about it."""

    message: VideoMessage | None
    kind: EventKind = EventKind.FINISHED
    code: Code | None = None
    text: str = ""
    numbers: dict[str, float] = field(default_factory=dict)
    metadata: Metadata = field(default_factory=Metadata)


@dataclass(frozen=True)
class WorkerOptions:
    """Who this worker is, and its patience."""

    name: str
    grace_s: float
    pauses: Pauses = field(default_factory=Pauses)


@dataclass(frozen=True)
class StageWork(Generic[In]):
    """A stage: what it reads, the function that does the work, how long that may take, how many at a time.

    `held` returns a reason while no new work should be started (as a full disk), else None. A slot is inside of
    `talking()` while it tells the broker about a message in hand or waits for leave to work on it, and inside of
    `pausing()` while it is held: the clocks of `ingest.shared.telemetry.time_split` want to know.
    """

    stage: Stage
    model: type[In]
    handle: Callable[[In, Report], Done]
    deadline_s: Callable[[In], float]
    slots: int
    held: Callable[[], str | None] = lambda: None
    talking: Callable[[], AbstractContextManager[object]] = nullcontext
    pausing: Callable[[], AbstractContextManager[object]] = nullcontext
