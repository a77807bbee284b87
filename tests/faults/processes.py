"""What a process takes: memory and open files, as the kernel counts them.

FileNotFoundError says that there is no such process any more.
"""

from __future__ import annotations

import os
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(process: int) -> int:
    """Return the memory that a process takes."""
    return _pages(process)[1] * PAGE_BYTES


def private_bytes(process: int) -> int:
    """Return the memory that a process takes for itself alone: without files, and what it shares with others."""
    _, resident, shared, *_ = _pages(process)
    return (resident - shared) * PAGE_BYTES


def open_files(process: int) -> int:
    """Return how many files a process has open."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def _pages(process: int) -> list[int]:
    return [int(number) for number in Path(f"/proc/{process}/statm").read_text().split()]
