"""Builds the vector index of an archive that is worth one, in a thread of the embedder, and exports what it finds.

Only the owner of the tables can build: where the embedder has another role (the chart), `ingest migrate --index` of a
CronJob does, and this thread only looks. A build that a stopped embedder has begun goes on in the server.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg

from ingest.embedder.postgres.index_state import LARGE, may_build, missing_indexes, running_build
from ingest.embedder.postgres.vector_index import build_index
from ingest.shared.errors import IngestError
from ingest.shared.loop_thread import LoopThread
from ingest.shared.telemetry import metrics
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from ingest.embedder.postgres.database import Database

LOOK_EVERY_S = 30.0
FAILURE_PAUSE_S = 600.0

log = get_logger(__name__)


class IndexCare:
    """Looks after the indexes of the models with at least `large` vectors."""

    def __init__(self, database: Database, large: int = LARGE) -> None:
        metrics.show(metrics.INDEXES_MISSING, metrics.INDEX_BUILD)
        self._database = database
        self._large = large
        self._builder: threading.Thread | None = None
        self._not_before = 0.0
        self._thread = LoopThread("index-care", self._step)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a build goes on in the server."""
        self._thread.stop()

    def look(self) -> None:
        """Export which indexes are missing and how far a build is; begin one where it is due."""
        missing = [one for one in missing_indexes(self._database) if one.passages >= self._large]
        build = running_build(self._database)
        metrics.INDEXES_MISSING.set(len(missing))
        if build is None:
            metrics.INDEX_BUILD.clear()
        else:
            metrics.INDEX_BUILD.set(build.done)
        is_free = self._builder is None or not self._builder.is_alive()
        if missing and build is None and is_free and time.monotonic() >= self._not_before and may_build(self._database):
            self._builder = threading.Thread(target=self._build, name="index-build", daemon=True)
            self._builder.start()

    def wait(self, seconds: float) -> None:
        """Wait for a build that this process has begun."""
        if self._builder is not None:
            self._builder.join(seconds)

    def _step(self) -> float:
        try:
            self.look()
        except (IngestError, psycopg.Error) as error:
            log.warning("index_care_waits", error=str(error))
        return LOOK_EVERY_S

    def _build(self) -> None:
        began = time.monotonic()
        log.info("vector_index_begun")
        try:
            built = build_index(self._database, self._large)
        except (IngestError, psycopg.Error) as error:
            self._not_before = time.monotonic() + FAILURE_PAUSE_S
            log.warning("vector_index_not_built", error=str(error), again_in_s=FAILURE_PAUSE_S)
        else:
            log.info("vector_index_built", models=built, took_s=round(time.monotonic() - began, 1))
