"""Records crashes: the jobs in flight when a worker died, and how often each job has ended its worker.

A redelivered message does not prove a crash: the broker may have been unreachable, or a node drained. A worker that
restarts and finds its own unfinished note proves one: the machine survived, the process did not. Each worker keeps one
note on the shared volume. The counts are files, too, so that the worker that gets the message next can read them.

Nothing here is flushed to disk: the notes need to survive the death of a process, not of a machine (which is not the
job's fault and is not charged).
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ingest.shared.artifacts.no_links import opened_folder, read_file
from ingest.shared.artifacts.volume import translate_os_errors
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = get_logger(__name__)

LONGEST_NOTE = 1_000_000
LONGEST_NUMBER = 100
LONGEST_JOB = 200
COUNTS = "crashes"  # the folder with a file for each job that ended its worker


class CrashJournal:
    """The note of one worker. `folder` is shared by all workers; `worker` is a name that survives its restarts."""

    def __init__(self, folder: Path, worker: str) -> None:
        self._counts = folder / COUNTS
        self._counts.mkdir(parents=True, exist_ok=True)
        self._note = folder / f"{worker}.json"
        self._jobs: set[str] = set()
        self._abandoned = False
        self._lock = threading.Lock()
        self._charge_previous()

    def _charge_previous(self) -> None:
        try:
            jobs = _jobs(read_file(self._note, LONGEST_NOTE))
        except FileNotFoundError:
            return
        except (ValueError, RecursionError) as error:
            log.warning("crash_note_unreadable", error=str(error))
            jobs = []
        self._note.unlink(missing_ok=True)  # unlink first: a crash while counting must not charge a job twice
        for job in jobs:
            _write(self._count_file(job), str(self.crashes(job) + 1))
            log.error("worker_died_with_job", job=job, crashes=self.crashes(job))

    def begin(self, job: str) -> None:
        """Note that a job runs; raise ENV_DISK_FULL or ENV_VOLUME when that cannot be written."""
        with self._lock, translate_os_errors("crash note"):
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
        _write(self._note, json.dumps(sorted(self._jobs)))

    def abandon(self) -> None:
        """Remove the note, and write no other: the process is about to end for a reason that is no job's fault."""
        with self._lock, _best_effort("crash_note_stays"):
            self._abandoned = True
            self._note.unlink(missing_ok=True)

    def crashes(self, job: str) -> int:
        """Return how often a job has ended its worker; raise ENV_VOLUME when that cannot be known."""
        with translate_os_errors("crash count"):
            try:
                return max(0, int(read_file(self._count_file(job), LONGEST_NUMBER)))
            except (FileNotFoundError, ValueError):
                return 0

    def clear(self, job: str) -> None:
        """Delete the crashes of a job that has ended. A count that stays harms only another run of this job."""
        with _best_effort("crash_count_stays"):
            self._count_file(job).unlink(missing_ok=True)

    def _count_file(self, job: str) -> Path:
        return self._counts / job.replace(os.sep, "_")


def _jobs(note: bytes) -> list[str]:
    """Return the jobs of a note; raise ValueError when it is none."""
    content = json.loads(note)
    if not isinstance(content, list):
        raise ValueError("is no list")  # noqa: TRY004 (of a file, not of an argument)
    return [job for job in content if isinstance(job, str) and _is_name(job)]


def _is_name(job: str) -> bool:
    """Return whether a file can have the name of a job."""
    return len(job) <= LONGEST_JOB and job.isascii() and job.isprintable() and bool(job.strip("."))


def _write(file: Path, text: str) -> None:
    """Write a file so that it is whole, or as it was; links in its place and in that of its folder are not followed."""
    with opened_folder(file.parent.parent, file.parent.name) as folder:
        temporary = folder / f"{file.name}.tmp"
        if temporary.is_symlink():
            temporary.unlink()
        with open(temporary, "w", opener=_open_no_link) as new:
            new.write(text)
        temporary.replace(folder / file.name)


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


@contextmanager
def _best_effort(event: str) -> Iterator[None]:
    """Log what the file system refuses in the `with` block, and go on."""
    try:
        yield
    except OSError as error:
        log.warning(event, error=str(error))


def forgive(folder: Path) -> None:
    """Remove the notes of workers that were killed together with everything else: no job of theirs is to blame."""
    for note in folder.glob("*.json"):
        note.unlink()
