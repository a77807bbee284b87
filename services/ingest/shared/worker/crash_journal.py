"""Records crashes: the jobs in flight when a worker died, and how often each job has ended its worker.

A redelivered message does not prove a crash: the broker may have been unreachable, or a node drained. A worker that
restarts and finds its own unfinished note proves one: the machine survived, the process did not. Each worker keeps one
note that all workers can read (`notes.py`). The counts are notes, too, so that the worker that gets the message next
can read them.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.shared.artifacts.files import translate_os_errors
from ingest.shared.errors import IngestError
from ingest.shared.telemetry.logs import get_logger
from ingest.shared.worker.notes import COUNTS, FolderNotes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.shared.worker.notes import Notes

log = get_logger(__name__)

LONGEST_NOTE = 1_000_000
LONGEST_NUMBER = 100
LONGEST_JOB = 200


class CrashJournal:
    """The note of one worker. All workers share `notes` (a path is a folder); `worker` survives its restarts.

    `own` is a folder of this machine, for notes in a store that may be away when the worker ends.
    """

    def __init__(self, notes: Notes | Path, worker: str, own: Path | None = None) -> None:
        self._notes: Notes = FolderNotes(notes) if isinstance(notes, Path) else notes
        self._note = f"{worker}.json"
        self._farewell = None if own is None else own / f"{worker}.abandoned"
        self._jobs: set[str] = set()
        self._abandoned = False
        self._lock = threading.Lock()
        self._charge_previous()

    def _charge_previous(self) -> None:
        jobs: list[str] | None = []
        try:
            note = self._notes.read(self._note, LONGEST_NOTE)
            jobs = None if note is None else _jobs(note)
        except (ValueError, RecursionError) as error:
            log.warning("crash_note_unreadable", error=str(error))
        if jobs is not None:
            self._notes.remove(self._note)  # first: a crash while counting must not charge a job twice
        charged = [] if self._was_abandoned() else jobs or []
        self._take_back()
        for job in charged:
            self._notes.write(_count(job), str(self.crashes(job) + 1).encode())
            log.error("worker_died_with_job", job=job, crashes=self.crashes(job))

    def begin(self, job: str) -> None:
        """Note that a job runs; raise ENV_DISK_FULL or ENV_VOLUME when that cannot be written."""
        with self._lock:
            self._jobs.add(job)
            self._write()

    def end(self, job: str) -> None:
        """Note that a job runs no more. A note that cannot be removed would only charge a later crash twice."""
        with self._lock:
            self._jobs.discard(job)
            with _best_effort("crash_note_stays"):
                self._write()

    def _write(self) -> None:
        if self._abandoned:
            return
        self._notes.write(self._note, json.dumps(sorted(self._jobs)).encode())

    def abandon(self) -> None:
        """Remove the note, and write no other: the process is about to end for a reason that is no job's fault.

        Where the notes are in a store that does not answer now, the note stays, and a file on this machine says so.
        """
        self._abandoned = True
        with _best_effort("crash_note_stays"):
            self._say_farewell()  # before the lock: another thread may hold it, and wait for the store
        with self._lock, _best_effort("crash_note_stays"):
            self._notes.remove(self._note)
            self._take_back()

    def _say_farewell(self) -> None:
        if self._farewell is not None:
            with translate_os_errors("farewell"):
                self._farewell.parent.mkdir(parents=True, exist_ok=True)
                self._farewell.touch()

    def _take_back(self) -> None:
        if self._farewell is not None:
            with translate_os_errors("farewell"):
                self._farewell.unlink(missing_ok=True)

    def _was_abandoned(self) -> bool:
        return self._farewell is not None and self._farewell.exists()

    def crashes(self, job: str) -> int:
        """Return how often a job has ended its worker; raise ENV_VOLUME when that cannot be known."""
        try:
            return max(0, int(self._notes.read(_count(job), LONGEST_NUMBER) or 0))
        except ValueError:
            return 0

    def clear(self, job: str) -> None:
        """Delete the crashes of a job that has ended. A count that stays harms only another run of this job."""
        with _best_effort("crash_count_stays"):
            self._notes.remove(_count(job))


def _count(job: str) -> str:
    """Return the name of the note that counts the crashes of a job."""
    return f"{COUNTS}/{job.replace('/', '_')}"


def _jobs(note: bytes) -> list[str]:
    """Return the jobs of a note; raise ValueError when it is none."""
    content = json.loads(note)
    if not isinstance(content, list):
        raise ValueError("is no list")  # noqa: TRY004 (of a file, not of an argument)
    return [job for job in content if isinstance(job, str) and _is_name(job)]


def _is_name(job: str) -> bool:
    """Return whether a file can have the name of a job."""
    return len(job) <= LONGEST_JOB and job.isascii() and job.isprintable() and bool(job.strip("."))


@contextmanager
def _best_effort(event: str) -> Iterator[None]:
    """Log what the volume refuses in the `with` block, and go on."""
    try:
        yield
    except IngestError as error:
        log.warning(event, error=str(error))


def forgive(notes: Notes | Path) -> None:
    """Remove the notes of workers that were killed together with everything else: no job of theirs is to blame."""
    shared: Notes = FolderNotes(notes) if isinstance(notes, Path) else notes
    for name in shared.names(""):
        if name.endswith(".json"):
            shared.remove(name)


def counts_of(notes: Notes, video_id: str) -> list[str]:
    """Return the names of the notes that count the crashes of a video's jobs."""
    return [name for name in notes.names(f"{COUNTS}/") if video_id in name.removeprefix(f"{COUNTS}/").split(".")]
