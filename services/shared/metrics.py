"""The metrics of every service, declared once. Labels are few: a stage, an outcome, an error code; never a video."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.shared.errors import Code
    from services.shared.messages import EventKind, Stage

MESSAGES = Counter(
    "ingest_messages", "Messages that a stage has answered, by what came of them", ("stage", "outcome", "code")
)
IN_PROGRESS = Gauge("ingest_messages_in_progress", "Messages that a stage has in hand", ("stage",))
HANDLING = Histogram(
    "ingest_handling_seconds",
    "Time from taking a message to the end of its work",
    ("stage",),
    buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600),
)
AUDIO_SECONDS = Counter("ingest_audio_seconds", "Length of the recordings that a stage has finished", ("stage",))
ROWS = Counter("ingest_rows", "Passages stored with their vectors")


@contextmanager
def handling(stage: Stage) -> Iterator[None]:
    """Measure the work on one message."""
    began = time.monotonic()
    with IN_PROGRESS.labels(stage).track_inprogress():
        yield
    HANDLING.labels(stage).observe(time.monotonic() - began)


def count(stage: Stage, kind: EventKind, code: Code | None) -> None:
    """Count an answered message."""
    MESSAGES.labels(stage, kind, code or "").inc()
