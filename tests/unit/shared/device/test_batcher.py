"""Many callers, the threads of one device: what every caller may rely on, whatever the others do."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.shared.device.batcher import Batcher, BatcherClosedError, BatchLimits, OutOfDeviceMemoryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROMPT_S = 5.0


@dataclass(frozen=True)
class Item:
    caller: int
    number: int
    group: str = ""
    length: float = 1.0


@dataclass
class Device:
    """Answers each item with itself; remembers its batches; can be held, be short of memory, or fail."""

    capacity: int = 1000
    batches: list[list[Item]] = field(default_factory=list)
    poison: Exception | None = None
    poisoned: frozenset[int] = frozenset()
    started: threading.Event = field(default_factory=threading.Event)
    free: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.free.set()

    def run(self, items: Sequence[Item]) -> list[Item]:
        self.started.set()
        assert self.free.wait(PROMPT_S)
        if len(items) > self.capacity:
            raise OutOfDeviceMemoryError(len(items))
        self.batches.append(list(items))
        if self.poison is not None and self.poisoned & {item.number for item in items}:
            raise self.poison
        return list(items)


@contextmanager
def batching(
    device: Device, max_batch: int, max_wait_s: float = 0.001, threads: int = 1
) -> Iterator[Batcher[Item, Item]]:
    limits = BatchLimits(max_batch, max_wait_s)
    batcher = Batcher(
        device.run, limits, length=lambda item: item.length, group=lambda item: item.group, threads=threads
    )
    try:
        yield batcher
    finally:
        device.free.set()
        batcher.close()


@contextmanager
def held(device: Device, batcher: Batcher[Item, Item]) -> Iterator[None]:
    """Keep the device busy, so that what is submitted inside the block is there all at once."""
    device.free.clear()
    device.started.clear()
    plug = batcher.submit(Item(-1, -1))
    assert device.started.wait(PROMPT_S)
    yield
    device.free.set()
    plug.result(PROMPT_S)


callers = st.lists(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 5).map(float)), max_size=12), min_size=1, max_size=4
)


@settings(max_examples=60)
@given(
    wanted=callers,
    max_batch=st.integers(1, 6),
    capacity=st.integers(1, 6),
    ahead=st.none() | st.integers(1, 9),
    threads=st.integers(1, 3),
)
def test_every_item_has_one_result_in_order_in_batches_within_the_limit(
    wanted: list[list[tuple[str, float]]], max_batch: int, capacity: int, ahead: int | None, threads: int
) -> None:
    items = [
        [Item(caller, number, group, length) for number, (group, length) in enumerate(own)]
        for caller, own in enumerate(wanted)
    ]
    device = Device(capacity)
    with batching(device, max_batch, threads=threads) as batcher, ThreadPoolExecutor(len(items)) as pool:
        answers = list(pool.map(lambda own: list(batcher.map(own, ahead=ahead)), items))
    assert answers == items
    assert (batcher.figures.items, batcher.figures.batches) == (sum(map(len, items)), len(device.batches))
    assert Counter(item for batch in device.batches for item in batch) == Counter(item for own in items for item in own)
    assert all(len(batch) <= min(max_batch, capacity) for batch in device.batches)
    assert all(len({item.group for item in batch}) == 1 for batch in device.batches)


def test_items_of_several_callers_share_a_batch() -> None:
    device = Device()
    with batching(device, 4) as batcher:
        with held(device, batcher):
            futures = [batcher.submit(Item(caller, 0)) for caller in range(4)]
        assert [future.result(PROMPT_S).caller for future in futures] == [0, 1, 2, 3]
    assert [len(batch) for batch in device.batches] == [1, 4]


@pytest.mark.parametrize("threads", [2, 3])
def test_every_thread_runs_a_batch_at_the_same_time(threads: int) -> None:
    meeting = threading.Barrier(threads + 1, timeout=PROMPT_S)

    def run(items: Sequence[int]) -> Sequence[int]:
        meeting.wait()
        return items

    batcher: Batcher[int, int] = Batcher(run, BatchLimits(2, PROMPT_S), threads=threads)
    for _ in range(3):  # also after all threads had nothing to do
        futures = [batcher.submit(number) for number in range(2 * threads)]
        meeting.wait()
        assert [future.result(PROMPT_S) for future in futures] == list(range(2 * threads))
    batcher.close()


@pytest.mark.parametrize("threads", [1, 2])
def test_map_sends_no_more_than_two_batches_a_thread_ahead(threads: int) -> None:
    device = Device()
    taken: list[int] = []

    def items() -> Iterator[Item]:
        for number in range(100):
            taken.append(number)
            yield Item(0, number)

    with batching(device, 4, threads=threads) as batcher:
        next(iter(batcher.map(items())))
    assert len(taken) == 8 * threads + 1


def test_an_error_reaches_exactly_the_callers_of_its_batch() -> None:
    device = Device(poison=ValueError("bad item"), poisoned=frozenset({2}))
    with batching(device, 2) as batcher:
        with held(device, batcher):
            futures = [batcher.submit(Item(number, number)) for number in range(6)]
        errors = [future.exception(PROMPT_S) for future in futures]
    assert [str(error) if error else None for error in errors] == [None, None, "bad item", "bad item", None, None]
    assert errors[2] is not errors[3], "callers in several threads would collect each other's tracebacks"
    assert errors[2] is not None
    assert errors[2].__cause__ is device.poison


class PickyError(Exception):
    """An error of foreign make: `copy.copy` gives its constructor the text and not the number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"number {number:d}")


class TwoPartError(Exception):
    """The same with too few arguments."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(f"{name} {number}")


@pytest.mark.parametrize(
    "error", [pytest.param(PickyError(3), id="wrong type"), pytest.param(TwoPartError("a", 1), id="too few arguments")]
)
def test_an_error_that_cannot_be_copied_reaches_its_callers_and_the_device_goes_on(error: Exception) -> None:
    device = Device(poison=error, poisoned=frozenset({0}))
    with batching(device, 1) as batcher:
        assert str(batcher.submit(Item(0, 0)).exception(PROMPT_S)) == str(error)
        assert batcher.submit(Item(0, 1)).result(PROMPT_S).number == 1


@pytest.mark.parametrize("end", [SystemExit(1), KeyboardInterrupt()])
def test_an_error_that_would_end_a_thread_ends_neither_the_device_thread_nor_its_callers(end: BaseException) -> None:
    def run(items: Sequence[int]) -> Sequence[int]:
        if 0 in items:
            raise end
        return items

    batcher: Batcher[int, int] = Batcher(run, BatchLimits(1, 0.001))
    error = batcher.submit(0).exception(PROMPT_S)
    assert isinstance(error, RuntimeError)
    assert type(end).__name__ in str(error)
    assert batcher.submit(1).result(PROMPT_S) == 1
    batcher.close()


def test_a_run_with_a_missing_result_fails_its_callers_and_the_device_goes_on() -> None:
    batcher: Batcher[int, int] = Batcher(lambda items: [item for item in items if item], BatchLimits(1, 0.001))
    with pytest.raises(RuntimeError, match="0 results for 1 items"):
        batcher.submit(0).result(PROMPT_S)
    assert batcher.submit(1).result(PROMPT_S) == 1
    batcher.close()


def test_a_cancelled_item_is_not_run() -> None:
    device = Device()
    with batching(device, 4) as batcher:
        with held(device, batcher):
            kept, dropped = batcher.submit(Item(0, 0)), batcher.submit(Item(0, 1))
            assert dropped.cancel()
        assert kept.result(PROMPT_S).number == 0
    assert [[item.number for item in batch] for batch in device.batches] == [[-1], [0]]


def test_a_lone_item_waits_for_others_no_longer_than_the_limit() -> None:
    device = Device()
    with batching(device, 8, max_wait_s=0.2) as batcher:
        began = time.monotonic()
        batcher.submit(Item(0, 0)).result(PROMPT_S)
        waited_s = time.monotonic() - began
    assert 0.2 <= waited_s < 1.0


def test_a_full_batch_runs_at_once() -> None:
    device = Device()
    with batching(device, 2, max_wait_s=PROMPT_S * 2) as batcher:
        futures = [batcher.submit(Item(0, number)) for number in range(2)]
        assert [future.result(PROMPT_S).number for future in futures] == [0, 1]


def test_a_lone_item_is_run_although_another_group_always_has_full_batches() -> None:
    device = Device()
    enough = threading.Event()

    def endless() -> Iterator[Item]:
        number = 0
        while not enough.is_set():
            number += 1
            yield Item(0, number, "busy")

    def slowly(items: Sequence[Item]) -> Sequence[Item]:
        time.sleep(0.005)
        return device.run(items)

    batcher: Batcher[Item, Item] = Batcher(slowly, BatchLimits(2, 0.02), group=lambda item: item.group)
    busy = threading.Thread(target=lambda: list(batcher.map(endless(), ahead=50)), daemon=True)
    busy.start()
    time.sleep(0.2)
    try:
        lone = batcher.submit(Item(1, 0, "rare"))
        assert lone.result(2.0).group == "rare"
    finally:
        enough.set()
        busy.join(PROMPT_S)
        batcher.close()


def test_close_runs_the_waiting_items_and_refuses_new_ones() -> None:
    device = Device()
    with batching(device, 2) as batcher:
        with held(device, batcher):
            futures = [batcher.submit(Item(0, number)) for number in range(5)]
            closing = threading.Thread(target=batcher.close)
            closing.start()
        closing.join(PROMPT_S)
        assert [future.result(0).number for future in futures] == [0, 1, 2, 3, 4]
        with pytest.raises(BatcherClosedError):
            batcher.submit(Item(0, 5))


def test_close_does_not_wait_for_a_full_batch() -> None:
    device = Device()
    with batching(device, 2, max_wait_s=PROMPT_S * 2) as batcher:
        lone = batcher.submit(Item(0, 0))
        began = time.monotonic()
        batcher.close()
        assert time.monotonic() - began < PROMPT_S
        assert lone.result(0).number == 0
