"""Classifies errors of torch and ctranslate2: out of memory, device lost, or neither."""

from __future__ import annotations

MARKS = ("CUDA", "cuDNN", "CUDNN", "CUBLAS")
OUT_OF_MEMORY = ("out of memory", "STATUS_ALLOC_FAILED")
REFUSED = ("NOT_SUPPORTED", "BAD_PARAM", "INVALID_VALUE", "invalid argument", "invalid configuration argument")


def is_out_of_memory(error: Exception) -> bool:
    """Whether the device ran out of memory; it stays usable."""
    text = str(error)
    return isinstance(error, RuntimeError) and any(words in text for words in OUT_OF_MEMORY)


def is_device_lost(error: Exception) -> bool:
    """Whether this process can no longer use the device, as after most CUDA errors.

    It still can after an allocation that failed, and after a call that CUDA refused because of its arguments.
    """
    text = str(error)
    return (
        isinstance(error, RuntimeError)
        and any(mark in text for mark in MARKS)
        and not any(words in text for words in (*OUT_OF_MEMORY, *REFUSED))
    )
