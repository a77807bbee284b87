"""Tells when a device is lost: after most errors of CUDA only another process can use it again."""

from __future__ import annotations

MARKS = ("CUDA", "cuDNN", "CUDNN", "CUBLAS")


def is_lost(error: Exception) -> bool:
    """Tell whether an error of torch or ctranslate2 says so; a device that merely has no room can be used on."""
    text = str(error)
    return isinstance(error, RuntimeError) and "out of memory" not in text and any(mark in text for mark in MARKS)
