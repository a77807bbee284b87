"""Locks on files of the state folder (flock): the kernel releases them with the last process that holds them."""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

POLL_S = 0.05


class Lock:
    """An open lock file. A process that inherits its `handle` holds the lock, too, until it ends."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def acquire(self, wait_s: float = 0.0, *, shared: bool = False) -> bool:
        """Take the lock, alone or together with other `shared` holders; return whether this succeeded in time."""
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(self.handle, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(POLL_S)
            else:
                return True

    def close(self) -> None:
        """Close the file; the lock is free when no other process has inherited it."""
        os.close(self.handle)


def is_free(path: Path, *, shared: bool = False) -> bool:
    """Return whether a lock could be taken now."""
    lock = Lock(path)
    try:
        return lock.acquire(shared=shared)
    finally:
        lock.close()
