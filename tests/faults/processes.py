"""Memory and open files of a process, as the kernel counts them.

The functions raise FileNotFoundError for a process that has ended.
"""

from __future__ import annotations

import os
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(process: int) -> int:
    """Return the resident memory of a process."""
    return _pages(process)[1] * PAGE_BYTES


def private_bytes(process: int) -> int:
    """Return the private memory of a process: without files, and without memory that it shares."""
    _, resident, shared, *_ = _pages(process)
    return (resident - shared) * PAGE_BYTES


def open_files(process: int) -> int:
    """Return the number of open files of a process."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def _pages(process: int) -> list[int]:
    return [int(number) for number in Path(f"/proc/{process}/statm").read_text().split()]
