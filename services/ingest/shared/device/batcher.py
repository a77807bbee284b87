"""Batches the items of many callers for the threads of a device: one thread for a GPU, several for a CPU.

Callers submit items and wait for their results. A device thread takes up to `max_batch` items *of all callers*. The
items of a batch are of one group (as a language, which cannot be mixed) and of similar length (a difference in length
is padding). A full batch runs at once. An incomplete batch runs when its oldest item has waited `max_wait_s`, and then
before any other. An error of a batch is raised in the callers of its items, and in no other. When the device runs out
of memory, the batch is halved and run again; the limit grows back after a number of successful batches.
"""

from __future__ import annotations

import copy
import threading
import time
from collections import Counter, deque
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

Item = TypeVar("Item")
Answer = TypeVar("Answer")

GROW_AFTER_BATCHES = 20


class OutOfDeviceMemoryError(Exception):
    """The device has too little memory for a batch of this size; raised by the function that runs batches."""


class BatcherClosedError(Exception):
    """The batcher is closed and accepts no items."""


@dataclass(frozen=True)
class BatchLimits:
    """How batches are formed: at most `max_batch` items, at most `max_wait_s` seconds of waiting for more items."""

    max_batch: int
    max_wait_s: float = 0.02


@dataclass
class BatchFigures:
    """Exact counts since the start. Lengths are in the unit of the caller's `length` function."""

    batches: int = 0
    items: int = 0
    places: int = 0
    length: float = 0.0
    padded_length: float = 0.0
    out_of_memory: int = 0
    busy_s: float = 0.0  # of all threads together

    @property
    def fill(self) -> float:
        """Return the share of places that held an item (1 is best)."""
        return self.items / self.places if self.places else 0.0

    @property
    def padding(self) -> float:
        """Return the share of the processed length that was padding (0 is best)."""
        return 1 - self.length / self.padded_length if self.padded_length else 0.0


@dataclass
class _Entry(Generic[Item, Answer]):
    item: Item
    group: Hashable
    length: float
    since: float
    future: Future[Answer] = field(default_factory=Future)


def _no_length(_item: object) -> float:
    return 1.0


def _one_group(_item: object) -> Hashable:
    return None


class Batcher(Generic[Item, Answer]):
    """Collects items from any number of threads and runs them in batches on `threads` threads of its own.

    `run` gets 1 to `max_batch` items of one group and returns their results in order. It runs inside `around()`, and
    in several threads at the same time if there are several.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Answer]],
        limits: BatchLimits,
        *,
        length: Callable[[Item], float] = _no_length,
        group: Callable[[Item], Hashable] = _one_group,
        name: str = "device",
        around: Callable[[], AbstractContextManager[object]] = nullcontext,
        threads: int = 1,
    ) -> None:
        self.figures = BatchFigures()
        self._run = run
        self._around = around
        self._limits = limits
        self._length = length
        self._group = group
        self._limit = limits.max_batch
        self._successes = 0
        self._waiting: deque[_Entry[Item, Answer]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, item: Item) -> Future[Answer]:
        """Submit one item; the future returns its result, or raises the error of its batch."""
        entry: _Entry[Item, Answer] = _Entry(item, self._group(item), self._length(item), time.monotonic())
        with self._changed:
            if self._closed:
                raise BatcherClosedError("the batcher is closed")
            self._waiting.append(entry)
            self._changed.notify()
        return entry.future

    def map(self, items: Iterable[Item], *, ahead: int | None = None) -> Iterator[Answer]:
        """Yield the results of `items` in order. At most `ahead` are in progress, by default two batches a thread."""
        submitted: deque[Future[Answer]] = deque()
        limit = ahead or 2 * self._limits.max_batch * len(self._threads)
        try:
            for item in items:
                if len(submitted) >= limit:
                    yield submitted.popleft().result()
                submitted.append(self.submit(item))
            while submitted:
                yield submitted.popleft().result()
        finally:
            for future in submitted:
                future.cancel()

    def close(self) -> None:
        """Accept no more items, run the waiting ones, and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    # -- the device threads -----------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            batch = self._next_batch()
            if batch is None:
                return
            runnable = [entry for entry in batch if entry.future.set_running_or_notify_cancel()]
            if runnable:
                self._execute(runnable)

    def _next_batch(self) -> list[_Entry[Item, Answer]] | None:
        """Return the next batch, or None when closed and empty."""
        with self._changed:
            while self._waiting:
                oldest = self._waiting[0]
                left_s = oldest.since + self._limits.max_wait_s - time.monotonic()
                if left_s <= 0 or self._closed:
                    return self._take(oldest.group)
                counts = Counter(entry.group for entry in self._waiting)
                for group, count in counts.items():
                    if count >= self._limit:
                        return self._take(group)
                self._changed.wait(left_s)
            if not self._closed:
                self._changed.wait()
            return None if self._closed and not self._waiting else []

    def _take(self, group: Hashable) -> list[_Entry[Item, Answer]]:
        """Remove and return the oldest item of a group and those nearest to it in length."""
        candidates = [entry for entry in self._waiting if entry.group == group]
        oldest = candidates[0]
        others = sorted(candidates[1:], key=lambda entry: abs(entry.length - oldest.length))
        chosen = [oldest, *others[: self._limit - 1]]
        taken = {id(entry) for entry in chosen}
        self._waiting = deque(entry for entry in self._waiting if id(entry) not in taken)
        if self._waiting:
            self._changed.notify()  # wakes another thread, if one waits: one thread may have had all notices so far
        return chosen

    def _execute(self, batch: list[_Entry[Item, Answer]]) -> None:
        """Run a batch; halve it when the device runs out of memory."""
        pending = deque([batch])
        while pending:
            part = pending.popleft()
            began = time.monotonic()
            try:
                with self._around():
                    answers = self._run([entry.item for entry in part])
                if len(answers) != len(part):
                    raise RuntimeError(f"{len(answers)} results for {len(part)} items")  # noqa: TRY301 (fails the batch)
            except OutOfDeviceMemoryError as error:
                self._shrink(len(part))
                if len(part) == 1:
                    part[0].future.set_exception(error)
                else:
                    middle = len(part) // 2
                    pending.extendleft((part[middle:], part[:middle]))
            except BaseException as error:  # noqa: BLE001 (raised in the callers)
                for entry in part:
                    entry.future.set_exception(_own_copy(error))
            else:
                self._count(part, time.monotonic() - began)
                for entry, answer in zip(part, answers, strict=True):
                    entry.future.set_result(answer)

    def _shrink(self, size: int) -> None:
        with self._changed:
            self.figures.out_of_memory += 1
            self._limit = max(1, size // 2)
            self._successes = 0

    def _count(self, part: list[_Entry[Item, Answer]], busy_s: float) -> None:
        lengths = [entry.length for entry in part]
        with self._changed:
            self.figures.batches += 1
            self.figures.items += len(part)
            self.figures.places += self._limits.max_batch
            self.figures.length += sum(lengths)
            self.figures.padded_length += max(lengths) * len(part)
            self.figures.busy_s += busy_s
            self._successes += 1
            if self._limit < self._limits.max_batch and self._successes >= GROW_AFTER_BATCHES:
                self._limit = min(self._limits.max_batch, self._limit * 2)
                self._successes = 0


def _own_copy(error: BaseException) -> Exception:
    """Return a copy of an error for one caller: an exception raised in several threads collects all their tracebacks.

    An error that would end a thread (as SystemExit) becomes a RuntimeError.
    """
    if not isinstance(error, Exception):
        return RuntimeError(f"the batch ended with {error!r}")
    try:
        own = copy.copy(error)
    except Exception:  # noqa: BLE001 (a copy calls the constructor of a foreign class, with other arguments than its own)
        return error
    own.__cause__ = error
    return own
