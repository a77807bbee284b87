"""A device that is lost, and what only looks like it; the texts are those of torch and ctranslate2."""

from __future__ import annotations

import pytest

from ingest.shared.device.cuda_errors import is_device_lost, is_out_of_memory


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be reported later"),
        RuntimeError("CUDA failed with error unspecified launch failure"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling cublasSgemm"),
        RuntimeError("cuBLAS failed with status CUBLAS_STATUS_NOT_INITIALIZED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    ],
)
def test_a_lost_device_is_told_from(error: Exception) -> None:
    assert is_device_lost(error)


@pytest.mark.parametrize(
    ("error", "no_room"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("CUDA failed with error out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a"), False),
        (RuntimeError("CUDA error: invalid configuration argument"), False),
        (RuntimeError("CUDA error: invalid argument"), False),
        (RuntimeError("Expected all tensors to be on the same device, but found cuda:0 and cpu"), False),
        (ValueError("CUDA out of memory"), False),
    ],
)
def test_a_device_that_can_be_used_on_is_not_lost(error: Exception, no_room: bool) -> None:  # noqa: FBT001 (a parameter of the table)
    assert not is_device_lost(error)
    assert is_out_of_memory(error) == no_room
