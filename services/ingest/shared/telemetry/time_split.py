"""Clocks that are in exactly one state at any time, so that the seconds of all states add up to wall time.

`TimeSplit` is the clock. `DeviceTime` controls the clock of a device that serves many messages at once: it is `loading`
until the model is ready, and `busy` while a batch runs. While the device is idle, its state is the activity of the
messages in progress that comes first among the causes. `SlotTimes` has one clock for each slot; a slot processes one
message at a time.

    loading ─► ready ─┬─ a batch runs ───────────────────────────────► busy
                      ├─ a message in progress names a cause ────────► the first of these causes
                      └─ none of these ──────────────────────────────► starved
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

LOADING: Final = "loading"
BUSY: Final = "busy"
STARVED: Final = "starved"
DECODING: Final = "decoding"
BLOCKED: Final = "blocked"
SPLITTING: Final = "splitting"
COMMITTING: Final = "committing"

IDLE: Final = "idle"
TRANSFERRING: Final = "transferring"
CHECKING: Final = "checking"
WAITING_FOR_DISK: Final = "waiting_for_disk"
PUBLISHING: Final = "publishing"

ASR_CAUSES: Final = (DECODING, BLOCKED)
DEVICE_FIGURES: Final = {  # the figures of a recording with the time of the recognizer's device -> its kind and state
    f"asr.{device}_{state}_s": (device, state)
    for device in ("gpu", "cpu")
    for state in (LOADING, BUSY, STARVED, *ASR_CAUSES)
}
EMBEDDER_CAUSES: Final = (SPLITTING, COMMITTING)
SLOT_STATES: Final = (IDLE, TRANSFERRING, CHECKING, WAITING_FOR_DISK, PUBLISHING)


class TimeSplit:
    """A clock that is in one of `states`, at first in the first one. All methods are thread-safe."""

    def __init__(self, states: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = dict.fromkeys(states, 0.0)
        self._state = states[0]
        self._clock = clock
        self._since = clock()
        self._lock = threading.Lock()

    @property
    def state(self) -> str:
        """Return the present state."""
        return self._state

    def enter(self, state: str) -> str:
        """Change to a state; return the one before."""
        with self._lock:
            if state not in self._seconds:
                raise ValueError(f"{state} is none of {', '.join(self._seconds)}")
            now = self._clock()
            self._seconds[self._state] += now - self._since
            before, self._state, self._since = self._state, state, now
        return before

    def seconds(self) -> dict[str, float]:
        """Return the seconds in every state up to now, the present one included."""
        with self._lock:
            return {**self._seconds, self._state: self._seconds[self._state] + self._clock() - self._since}


def state_of(*, is_ready: bool, batches: int, causes: Mapping[str, int]) -> str:
    """Return the state of a device. `causes` are counts of messages by cause, the most important cause first."""
    if not is_ready:
        return LOADING
    if batches:
        return BUSY
    return next((cause for cause, messages in causes.items() if messages), STARVED)


class DeviceTime:
    """The time of a device that many messages share. `causes` are the reasons to be idle, the most important first.

    A message that waits for the device itself names no cause. `device` is the device of the model: cuda or cpu.
    """

    def __init__(
        self, causes: Sequence[str], clock: Callable[[], float] = time.monotonic, *, device: str = "cpu"
    ) -> None:
        self._prefix = "gpu" if device == "cuda" else "cpu"
        self._split = TimeSplit((LOADING, BUSY, *causes, STARVED), clock)
        self._is_ready = False
        self._batches = 0
        self._causes = dict.fromkeys(causes, 0)
        self._lock = threading.Lock()
        self._reported: dict[str, float] = {}

    def ready(self) -> None:
        """Record that the model is loaded."""
        with self._lock:
            self._is_ready = True
            self._follow()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Record that a batch runs on the device during the `with` block."""
        self._change_batches(1)
        try:
            yield
        finally:
            self._change_batches(-1)

    @contextmanager
    def doing(self, cause: str) -> Iterator[None]:
        """Record that a message is processed outside the device, for this cause, during the `with` block."""
        self._change_cause(cause, 1)
        try:
            yield
        finally:
            self._change_cause(cause, -1)

    @property
    def state(self) -> str:
        """Return the present state."""
        return self._split.state

    def seconds(self) -> dict[str, float]:
        """Return the seconds in every state up to now."""
        return self._split.seconds()

    def new_seconds(self) -> dict[str, float]:
        """Return the seconds in every state since the last call, named as figures of an event (`gpu_busy_s`)."""
        with self._lock:
            now = {state: round(value, 3) for state, value in self._split.seconds().items()}
            elapsed = {
                f"{self._prefix}_{state}_s": round(value - self._reported.get(state, 0.0), 3)
                for state, value in now.items()
                if value > self._reported.get(state, 0.0)
            }
            self._reported = now
            return elapsed

    def _change_batches(self, by: int) -> None:
        with self._lock:
            self._batches += by
            self._follow()

    def _change_cause(self, cause: str, by: int) -> None:
        with self._lock:
            self._causes[cause] += by
            self._follow()

    def _follow(self) -> None:
        state = state_of(is_ready=self._is_ready, batches=self._batches, causes=self._causes)
        if state != self._split.state:
            self._split.enter(state)


class SlotTimes:
    """The time of slots, each of which processes one message. The first call of a thread assigns a free clock to it.

    All `slots` clocks run from the start, since a slot that has had no message is idle.
    """

    def __init__(
        self, slots: int, states: Sequence[str] = SLOT_STATES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._states = states
        self._clock = clock
        self._splits = [TimeSplit(states, clock) for _ in range(slots)]
        self._free = list(self._splits)
        self._mine = threading.local()
        self._lock = threading.Lock()

    @contextmanager
    def doing(self, state: str) -> Iterator[None]:
        """Put the calling thread's slot into a state during the `with` block, and then back into the one before."""
        split = self._split()
        before = split.enter(state)
        try:
            yield
        finally:
            split.enter(before)

    def seconds(self) -> dict[str, float]:
        """Return the seconds of all slots in every state up to now; together, slots times wall time."""
        total: dict[str, float] = {}
        for split in list(self._splits):
            for state, value in split.seconds().items():
                total[state] = total.get(state, 0.0) + value
        return total

    def _split(self) -> TimeSplit:
        split: TimeSplit | None = getattr(self._mine, "split", None)
        if split is None:
            with self._lock:
                if not self._free:
                    self._free.append(TimeSplit(self._states, self._clock))
                    self._splits.append(self._free[0])
                split = self._free.pop()
            self._mine.split = split
        return split
