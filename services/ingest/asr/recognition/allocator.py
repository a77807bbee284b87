"""Makes the C allocator keep freed memory, which saves a quarter of the time of recognition on a CPU.

CTranslate2 frees and allocates the same large buffers in every layer. By default glibc returns each of them to the
kernel, which clears its pages again. This is for CPU workers only: they need their memory peak again and again.
"""

from __future__ import annotations

import contextlib
import ctypes

M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
M_ARENA_MAX = -8
NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Change the settings of the allocator for this process (glibc; no effect elsewhere)."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_ARENA_MAX, 1)  # other arenas return memory regardless of the threshold
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, NEVER)
