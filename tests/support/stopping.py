"""Stop a process, and wait until all of its threads are stopped, which takes some milliseconds after SIGSTOP."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

LIMIT_S = 30.0


def stop(process: int) -> None:
    """Stop the process with this number."""
    os.kill(process, signal.SIGSTOP)
    deadline = time.monotonic() + LIMIT_S
    while not _is_stopped(process):
        assert time.monotonic() < deadline, "the process does not stop"
        time.sleep(0.01)


def _is_stopped(process: int) -> bool:
    stats = [path.read_text() for path in Path(f"/proc/{process}/task").glob("*/stat")]
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)
