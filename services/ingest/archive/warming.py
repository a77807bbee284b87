"""Asks questions when the read side starts, until they are answered fast: the first reader does not wait for the disk.

After a start of the machine nothing of a large archive is in memory, and a question reads its indexes at random places.
The questions are words of stored passages from all parts of the table. No server extension is needed.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from psycopg import sql

from ingest.archive.model import NotReadyError
from ingest.archive.reading import read_only
from ingest.embedder.postgres.index_state import LARGE
from ingest.embedder.search.hybrid import Search
from ingest.embedder.search.question import Question
from ingest.shared.errors import IngestError
from ingest.shared.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.archive.model import Model
    from ingest.embedder.postgres.database import Database

MOST_QUESTIONS = 40
WORDS = 3
FAST_S = 0.3
FAST_ONES = 3  # one after the other: then it is enough
LONGEST_S = 60.0  # of one question
MODEL_WAIT_S = 600.0
COUNT = "SELECT reltuples::bigint, relpages FROM pg_class WHERE oid = to_regclass('segments')"
SAMPLE = "SELECT text FROM segments TABLESAMPLE SYSTEM ({share})"

log = logs.get_logger(__name__)


class Warming:
    """Warms an archive in a thread, as soon as the model is loaded. `large`: passages from which it is worth it."""

    def __init__(self, database: Database, model: Model, large: int = LARGE) -> None:
        self._database, self._model, self._large = database, model, large
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self.run, name="warming", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no further question."""
        self._stopped.set()

    def run(self) -> None:
        """Ask the questions; say in the log how long the first and the last one took."""
        try:
            took = list(self.asked())
        except (IngestError, NotReadyError) as error:  # the first reader will see it, too
            log.info("not_warmed", error=str(error))
            return
        if took:
            log.info("warmed", questions=len(took), first_s=round(took[0], 1), last_s=round(took[-1], 1))

    def asked(self) -> Iterator[float]:
        """Ask questions, and yield how long each took."""
        search = None
        fast = 0
        for question in self._questions():
            if self._stopped.is_set() or fast == FAST_ONES:
                return
            search = search or Search(self._database, self._model.get(MODEL_WAIT_S), longest_s=LONGEST_S)
            began = time.monotonic()
            search.ask(question)
            took_s = time.monotonic() - began
            fast = fast + 1 if took_s < FAST_S else 0
            yield took_s

    def _questions(self) -> list[Question]:
        """Return questions from all parts of a large archive, none for a small one."""
        with read_only(self._database) as connection:
            passages, pages = connection.execute(COUNT).fetchone() or (0, 0)
            if int(str(passages)) < self._large:
                return []
            share = min(100.0, 100.0 * MOST_QUESTIONS / max(1, int(str(pages))))
            texts = connection.execute(sql.SQL(SAMPLE).format(share=sql.Literal(share))).fetchall()
        step = max(1, len(texts) // MOST_QUESTIONS)
        return [Question(_words(str(text))) for (text,) in texts[::step][:MOST_QUESTIONS]]


def _words(text: str) -> str:
    """Return some words of a text, from all of its parts."""
    words = text.split()
    return " ".join(words[:: max(1, len(words) // WORDS)][:WORDS])
