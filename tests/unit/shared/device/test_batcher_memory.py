"""The batcher on a device that runs out of memory, and the figures it keeps."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ingest.shared.device.batcher import GROW_AFTER_BATCHES, Batcher, BatchLimits, OutOfDeviceMemoryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

PROMPT_S = 5.0
GIANT = 1_000_000.0


class Device:
    """Takes batches up to its capacity; an item is its own length, and a giant never fits."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.tried: list[int] = []
        self.began = threading.Event()
        self.free = threading.Event()
        self.free.set()

    def run(self, lengths: Sequence[float]) -> Sequence[float]:
        self.began.set()
        assert self.free.wait(PROMPT_S)
        self.tried.append(len(lengths))
        if len(lengths) > self.capacity or GIANT in lengths:
            raise OutOfDeviceMemoryError("out of memory")
        return lengths


@contextmanager
def batching(device: Device, max_batch: int) -> Iterator[Batcher[float, float]]:
    batcher: Batcher[float, float] = Batcher(device.run, BatchLimits(max_batch, 0.001), length=lambda length: length)
    try:
        yield batcher
    finally:
        device.free.set()
        batcher.close()


def together(device: Device, batcher: Batcher[float, float], lengths: Sequence[float]) -> list[Future[float]]:
    """Return the answered futures of items that were all there when the device came free (it ran one item before)."""
    device.free.clear()
    device.began.clear()
    plug = batcher.submit(1.0)
    assert device.began.wait(PROMPT_S)
    futures = [batcher.submit(length) for length in lengths]
    device.free.set()
    for future in (plug, *futures):
        future.exception(PROMPT_S)
    return futures


def test_a_batch_that_does_not_fit_is_halved_until_it_does_and_every_item_has_a_result() -> None:
    device = Device(capacity=3)
    with batching(device, 8) as batcher:
        futures = together(device, batcher, [1.0] * 8)
        assert [future.result(0) for future in futures] == [1.0] * 8
        assert device.tried == [1, 8, 4, 2, 2, 4, 2, 2]
        assert batcher.figures.out_of_memory == 3


def test_after_running_out_of_memory_batches_are_smaller_from_the_start() -> None:
    device = Device(capacity=3)
    with batching(device, 8) as batcher:
        together(device, batcher, [1.0] * 8)
        device.tried.clear()
        together(device, batcher, [1.0] * 6)
        assert device.tried == [1, 2, 2, 2]


def test_the_limit_doubles_after_enough_successes_up_to_the_maximum() -> None:
    device = Device(capacity=1)
    with batching(device, 4) as batcher:
        together(device, batcher, [1.0] * 4)
        assert device.tried == [1, 4, 2, 1, 1, 2, 1, 1]
        device.capacity = 100
        device.tried.clear()
        together(device, batcher, [1.0] * 98)
    ones = GROW_AFTER_BATCHES - 2
    assert device.tried == [1] * ones + [2] * GROW_AFTER_BATCHES + [4] * 10 + [1]


def test_only_an_item_that_never_fits_gets_the_error() -> None:
    device = Device(capacity=100)
    lengths = [1.0, 1.0, GIANT, 1.0, 1.0, 1.0, 1.0, 1.0]
    with batching(device, 8) as batcher:
        errors = [future.exception(0) for future in together(device, batcher, lengths)]
    assert [index for index, error in enumerate(errors) if error is not None] == [2]
    assert isinstance(errors[2], OutOfDeviceMemoryError)


def test_items_near_in_length_share_a_batch() -> None:
    device = Device(capacity=100)
    with batching(device, 4) as batcher:
        together(device, batcher, [1.0, 10.0] * 4)
        assert device.tried == [1, 4, 4]
        assert batcher.figures.padding == 0.0


def test_fill_and_padding_are_exact() -> None:
    device = Device(capacity=100)
    with batching(device, 4) as batcher:
        assert (batcher.figures.fill, batcher.figures.padding) == (0.0, 0.0)
        together(device, batcher, [1.0, 2.0, 4.0])
        figures = batcher.figures
    assert (figures.batches, figures.items, figures.places) == (2, 4, 8)
    assert figures.fill == 0.5
    assert (figures.length, figures.padded_length) == (8.0, 13.0)
    assert figures.padding == pytest.approx(1 - 8 / 13)


def test_a_batch_that_did_not_fit_is_counted_as_out_of_memory_alone() -> None:
    device = Device(capacity=1)
    with batching(device, 2) as batcher:
        together(device, batcher, [1.0, 1.0])
        figures = batcher.figures
    assert (figures.batches, figures.items, figures.out_of_memory) == (3, 3, 1)
    assert figures.places == 6, "a batch made small by lack of memory is not full"
