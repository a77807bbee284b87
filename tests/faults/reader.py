"""Reads the archive all the time, as a user's search would, and records videos that it saw as a mix of runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

import psycopg

from tests.faults.spoken import run_of

if TYPE_CHECKING:
    from tests.faults.fleet import Fleet

SEEN = "SELECT video_id, array_agg(text ORDER BY idx) FROM segments GROUP BY video_id"
EVERY_S = 0.05


class Reader(threading.Thread):
    """Reads from the start to the end of a `with` block.

    `reads` counts the reads that found passages; others prove nothing. `trouble` is the reason of the last failed read.
    """

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(name="reader", daemon=True)
        self._fleet = fleet
        self._done = threading.Event()
        self.mixed: set[str] = set()
        self.reads = 0
        self.trouble = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()

    def run(self) -> None:
        """Read until the end; connect again to a database that is unreachable."""
        connection: psycopg.Connection | None = None
        while not self._done.wait(EVERY_S):
            try:
                connection = connection or self._fleet.servers.connection()
                self._read(connection)
            except psycopg.Error as error:
                self.trouble = str(error)
                if connection is not None:
                    connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _read(self, connection: psycopg.Connection) -> None:
        rows = connection.execute(SEEN).fetchall()
        self.mixed.update(str(video_id) for video_id, texts in rows if run_of(str(video_id), texts) is None)
        self.reads += bool(rows)
