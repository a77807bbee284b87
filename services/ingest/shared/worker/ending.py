"""The end of a service: its exit statuses, and an exit that waits for nothing."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from ingest.shared.errors import Code
from ingest.shared.telemetry import logs

if TYPE_CHECKING:
    from ingest.shared.worker.crash_journal import CrashJournal

EXIT_SOME_FAILED = 3  # as that of `ingest submit`: the run is settled, and recordings of it have failed
EXIT_BROKEN = 70  # EX_SOFTWARE
EXIT_PASSING = 75  # EX_TEMPFAIL: another start may find what this one has missed
EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits.h
EXIT_STOPPED = 143  # what a shell reports after SIGTERM: the run goes on
PASSING = frozenset({Code.ENV_DB_UNAVAILABLE, Code.ENV_DB_FULL, Code.ENV_DISK_FULL, Code.ENV_VOLUME})
ABANDON_LIMIT_S = 2.0


def give_up(status: int, event: str, journal: CrashJournal | None = None, **details: object) -> NoReturn:
    """Log the reason and exit immediately without charging any job; exit even if logging fails."""
    try:
        logs.get_logger(__name__).error(event, **details)
    finally:
        _end(status, journal)


def leave_after(seconds: float, journal: CrashJournal, status: int) -> None:
    """Exit with a status after `seconds`, even if a thread still waits for a broker, a database or a device."""
    timer = threading.Timer(seconds, _end, (status, journal))
    timer.daemon = True
    timer.start()


def _end(status: int, journal: CrashJournal | None) -> NoReturn:
    """Exit immediately without charging any job; a volume that does not answer blocks only the thread that asks it."""
    try:
        if journal is not None:
            forgetting = threading.Thread(target=journal.abandon, name="abandon", daemon=True)
            forgetting.start()
            forgetting.join(ABANDON_LIMIT_S)
    finally:
        leave(status)


def leave(status: int) -> NoReturn:
    """Exit immediately: the broker redelivers the messages of the threads that still run."""
    for stream in (sys.stderr, sys.stdout):
        with suppress(OSError, ValueError, RuntimeError):  # RuntimeError: a signal arrived within a write to it
            stream.flush()
    os._exit(status)
