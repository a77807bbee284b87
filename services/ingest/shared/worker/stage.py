"""The contract of a stage: what it reads, what its handler returns and reports, and the options of its worker."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from ingest.shared.broker.bus import FETCH_WAIT_S
from ingest.shared.messages import EventKind, Metadata, Stage, VideoId, VideoMessage
from ingest.shared.worker.retry import Pauses

if TYPE_CHECKING:
    from ingest.shared.errors import Code, IngestError
    from ingest.shared.pipeline import StageSpec

In = TypeVar("In", bound=VideoMessage)
Report = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class StageResult:
    """The result of a handler: the next message (or none), and the content of the event about it."""

    message: VideoMessage | None
    kind: EventKind = EventKind.FINISHED
    code: Code | None = None
    text: str = ""
    numbers: dict[str, float] = field(default_factory=dict)
    metadata: Metadata = field(default_factory=Metadata)


@dataclass(frozen=True)
class InputFile:
    """The file that a stage reads and an earlier stage can make again: the errors that ask for it, and its removal.

    `doing` and `done_twice` complete the texts of the events ("downloading it again", "downloaded twice").
    """

    codes: frozenset[Code]
    discard: Callable[[VideoId], None]
    doing: str
    done_twice: str


@dataclass(frozen=True)
class WorkerOptions:
    """The name of a worker, its grace period after SIGTERM, its retry pauses, and how long a fetch waits for a message.

    A worker that stops ends its present fetch.
    """

    name: str
    grace_s: float
    pauses: Pauses = field(default_factory=Pauses)
    fetch_wait_s: float = FETCH_WAIT_S


@dataclass(frozen=True)
class StageWork(Generic[In]):
    """A stage: its row of the pipeline, the function that does the work, how long that may take, how many at a time.

    `input_file` says when an earlier stage has to make the input again; without it, each error is this stage's own.
    `held` returns a reason while no new work should be started (as a full disk), else None. A slot is inside
    of `talking()` while it publishes, acknowledges or waits for permission to start, and inside of `pausing()` while it
    is held: `ingest.shared.telemetry.time_split` measures both. `gave_up` is called after a dead letter was written.
    """

    spec: StageSpec[In]
    handle: Callable[[In, Report], StageResult]
    deadline_s: Callable[[In], float]
    slots: int
    held: Callable[[], str | None] = lambda: None
    talking: Callable[[], AbstractContextManager[object]] = nullcontext
    pausing: Callable[[], AbstractContextManager[object]] = nullcontext
    input_file: InputFile | None = None
    gave_up: Callable[[In, IngestError], None] = lambda _message, _error: None

    @property
    def stage(self) -> Stage:
        """Return the name of the stage."""
        return self.spec.stage
