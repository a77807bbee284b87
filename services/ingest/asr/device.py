"""The device that a model runs on.

The setting may be `auto`; everything that loads a model takes a `Device`, so that `auto` is resolved in one place.
"""

from __future__ import annotations

import os
from typing import Literal

from ingest.shared.errors import Code, IngestError

Device = Literal["cpu", "cuda"]
DeviceSetting = Literal["auto", "cpu", "cuda"]

MOST_THREADS = 4


def device_of(setting: DeviceSetting) -> Device:
    """Return the device of a setting: `auto` is CUDA where a device is visible. Raise ENV_CUDA when it is missing."""
    import ctranslate2

    is_cuda_visible = ctranslate2.get_cuda_device_count() > 0
    if setting == "auto":
        return "cuda" if is_cuda_visible else "cpu"
    if setting == "cuda" and not is_cuda_visible:
        raise IngestError(Code.ENV_CUDA, "INGEST_ASR_DEVICE=cuda, but no CUDA device is visible")
    return setting


def default_threads() -> int:
    """Return the number of batches that a CPU recognises at the same time: one a core, `MOST_THREADS` at most."""
    return min(MOST_THREADS, len(os.sched_getaffinity(0)))
