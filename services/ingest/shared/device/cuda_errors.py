"""What an error of torch or ctranslate2 says about the device: no room, lost, or neither."""

from __future__ import annotations

MARKS = ("CUDA", "cuDNN", "CUDNN", "CUBLAS")
OUT_OF_MEMORY = ("out of memory", "STATUS_ALLOC_FAILED")
REFUSED = ("NOT_SUPPORTED", "BAD_PARAM", "INVALID_VALUE", "invalid argument", "invalid configuration argument")


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether the device merely had no room for this; it can be used on."""
    text = str(error)
    return isinstance(error, RuntimeError) and any(words in text for words in OUT_OF_MEMORY)


def is_device_lost(error: Exception) -> bool:
    """Tell whether only another process can use the device again, as after most errors of CUDA.

    Not so where the device has no room, or refuses what it was asked for.
    """
    text = str(error)
    return (
        isinstance(error, RuntimeError)
        and any(mark in text for mark in MARKS)
        and not any(words in text for words in (*OUT_OF_MEMORY, *REFUSED))
    )
