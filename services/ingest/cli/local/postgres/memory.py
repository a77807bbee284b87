"""The memory and the workers of the embedded Postgres, fitted to the machine or to the limit of its container."""

from __future__ import annotations

import os
from pathlib import Path

LIMIT = Path("/sys/fs/cgroup/memory.max")
MEGABYTE = 1 << 20
LEAST_BUFFERS, MOST_BUFFERS = 128, 4096  # megabytes
MOST_WORKERS = 8


def options() -> dict[str, str]:
    """Return the options for this machine."""
    return fitted(_memory_bytes(), len(os.sched_getaffinity(0)))


def fitted(memory_bytes: int, cores: int) -> dict[str, str]:
    """Return the options for a machine that is shared with the models.

    effective_cache_size is only an estimate: by it the build of an index decides how much memory it takes, at most a
    quarter of it.
    """
    megabytes = memory_bytes // MEGABYTE
    buffers = max(LEAST_BUFFERS, min(MOST_BUFFERS, megabytes // 8))
    return {
        "shared_buffers": f"{buffers}MB",
        "effective_cache_size": f"{max(megabytes // 2, 2 * buffers)}MB",
        "max_parallel_maintenance_workers": str(max(1, min(MOST_WORKERS, cores - 1))),
    }


def _memory_bytes() -> int:
    """Return the memory of the machine, or less where the container may use less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(machine, int(LIMIT.read_text()))
    except (OSError, ValueError):  # no such limit, or `max`
        return machine
