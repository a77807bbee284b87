"""Builds the vector index of an archive that is large enough for it, and shows how far it is."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from ingest.cli import console
from ingest.embedder.postgres.index_state import LARGE, missing_indexes, running_build
from ingest.embedder.postgres.vector_index import build_index, cancel_build
from ingest.shared.errors import IngestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from ingest.embedder.postgres.database import Database

LOOK_EVERY_S = 1.0


def build_where_large(database: Database, is_stopped: Callable[[], bool], passages: int = LARGE) -> None:
    """Build the indexes of models with that many passages; say what to do where that is not possible now.

    The recordings are in the archive already: an error here is no failure of the run.
    """
    try:
        if any(one.passages >= passages for one in missing_indexes(database)):
            build(database, is_stopped, passages)
    except (IngestError, psycopg.Error) as error:
        console.err.print(f"the vector index is not built: {error}")
        console.err.print("searches read every vector until then: ingest migrate --index")


def build(database: Database, is_stopped: Callable[[], bool] = lambda: False, passages: int = 0) -> Sequence[str]:
    """Build the indexes that models with so many passages lack; return the models.

    A build that another process has begun is waited for. An interrupt, or `is_stopped`, ends the build.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console.err, transient=True) as progress, ThreadPoolExecutor(1) as pool:
        task = progress.add_task("building the vector index", total=1.0)
        building = pool.submit(_when_free, database, passages)
        try:
            while not wait([building], timeout=LOOK_EVERY_S).done:
                found = running_build(database)
                progress.update(task, completed=found.done if found else 0.0)
                if is_stopped():
                    _end(database, building)
        except BaseException:
            _end(database, building)
            raise
        return building.result()


def _when_free(database: Database, passages: int) -> list[str]:
    """Build the indexes when no other process builds one. A cancelled wait ends as a build does."""
    while running_build(database):
        time.sleep(LOOK_EVERY_S)
    return build_index(database, passages)


def _end(database: Database, building: Future[list[str]]) -> None:
    """End a build that is not done."""
    while not wait([building], timeout=LOOK_EVERY_S).done:
        with suppress(IngestError):
            found = running_build(database)
            if found:
                cancel_build(database, found)
