"""Lets the C allocator keep freed memory: recognition on a CPU spends a quarter of its time getting it back.

CTranslate2 frees and asks for the same large buffers in every layer; by default glibc returns each to the kernel, which
clears its pages again. Only for CPU workers, whose memory high-water mark is what they need anyway.
"""

from __future__ import annotations

import contextlib
import ctypes

M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
M_ARENA_MAX = -8
NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Change the allocator's settings for this process (glibc; elsewhere nothing happens)."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_ARENA_MAX, 1)  # other arenas give their memory back whatever the threshold
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, NEVER)
