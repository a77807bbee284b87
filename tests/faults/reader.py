"""Reads the archive all the time, as a user's search would, and keeps what must never be seen."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from tests.faults.spoken import is_mixed

if TYPE_CHECKING:
    import psycopg

    from tests.faults.fleet import Fleet

SEEN = "SELECT video_id, array_agg(text ORDER BY idx) FROM segments GROUP BY video_id"
EVERY_S = 0.05


class Reader(threading.Thread):
    """Reads from the start to the end of a `with` block."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(name="reader", daemon=True)
        self._fleet = fleet
        self._done = threading.Event()
        self.mixed: set[str] = set()
        self.reads = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()

    def run(self) -> None:
        """Read until the end."""
        connection: psycopg.Connection | None = None
        while not self._done.wait(EVERY_S):
            try:
                connection = connection or self._fleet.servers.connection()
                rows = connection.execute(SEEN).fetchall()
            except Exception:  # noqa: BLE001 (the database may be the patient)
                connection = None
                continue
            self.reads += 1
            self.mixed.update(str(video_id) for video_id, texts in rows if is_mixed(str(video_id), texts))
        if connection is not None:
            connection.close()
