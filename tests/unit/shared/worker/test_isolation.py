"""The suspect_lock: ordinary jobs together, a suspect alone."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from ingest.shared.worker.isolation import SuspectLock

if TYPE_CHECKING:
    from collections.abc import Callable

    Wait = Callable[[Callable[[], bool]], None]

PROMPT_S = 5.0


class Ward:
    """Jobs that stay inside until they are let go."""

    def __init__(self) -> None:
        self.suspect_lock = SuspectLock()
        self.inside: list[str] = []
        self._free: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def send(self, name: str, *, suspect: bool = False) -> None:
        self._free[name] = threading.Event()
        self._threads.append(threading.Thread(target=self._stay, args=(name, suspect), daemon=True))
        self._threads[-1].start()

    def _stay(self, name: str, suspect: bool) -> None:  # noqa: FBT001 (arguments of a thread)
        with self.suspect_lock.entered(suspect=suspect):
            self.inside.append(name)
            self._free[name].wait(PROMPT_S)
            self.inside.remove(name)

    def let_go(self, *names: str) -> None:
        for name in names:
            self._free[name].set()

    def empty(self) -> None:
        self.let_go(*self._free)
        for thread in self._threads:
            thread.join(PROMPT_S)


def settle() -> None:
    """Give threads the time to do what they must not do."""
    time.sleep(0.1)


def test_ordinary_jobs_run_together(wait_until: Wait) -> None:
    ward = Ward()
    for name in "abc":
        ward.send(name)
    wait_until(lambda: len(ward.inside) == 3)
    ward.empty()


def test_a_suspect_waits_for_the_others_and_lets_no_new_one_in(wait_until: Wait) -> None:
    ward = Ward()
    ward.send("ordinary")
    wait_until(lambda: ward.inside == ["ordinary"])
    ward.send("suspect", suspect=True)
    settle()
    ward.send("newcomer")
    settle()
    assert ward.inside == ["ordinary"]
    ward.let_go("ordinary")
    wait_until(lambda: ward.inside == ["suspect"])
    ward.send("latecomer")
    settle()
    assert ward.inside == ["suspect"]
    ward.let_go("suspect")
    wait_until(lambda: sorted(ward.inside) == ["latecomer", "newcomer"])
    ward.empty()


def test_suspects_run_one_after_the_other(wait_until: Wait) -> None:
    ward = Ward()
    ward.send("first", suspect=True)
    wait_until(lambda: ward.inside == ["first"])
    ward.send("second", suspect=True)
    settle()
    assert ward.inside == ["first"]
    ward.let_go("first")
    wait_until(lambda: ward.inside == ["second"])
    ward.empty()


@pytest.mark.parametrize("suspect", [True, False])
def test_a_job_that_fails_gives_its_place_back(suspect: bool) -> None:  # noqa: FBT001 (a table)
    suspect_lock = SuspectLock()
    with pytest.raises(ValueError, match="broken"), suspect_lock.entered(suspect=suspect):
        raise ValueError("broken")
    entered = threading.Event()

    def enter() -> None:
        with suspect_lock.entered(suspect=True):
            entered.set()

    threading.Thread(target=enter, daemon=True).start()
    assert entered.wait(PROMPT_S)


def test_nobody_is_left_waiting_whatever_comes_when() -> None:
    suspect_lock, lock = SuspectLock(), threading.Lock()
    inside: list[bool] = []
    together: list[list[bool]] = []

    def job(number: int) -> None:
        suspect = number % 5 == 0
        with suspect_lock.entered(suspect=suspect):
            with lock:
                inside.append(suspect)
                together.append(list(inside))
            time.sleep(0.001)
            with lock:
                inside.remove(suspect)

    threads = [threading.Thread(target=job, args=(number,), daemon=True) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PROMPT_S)
    assert len(together) == 60
    assert all(len(group) == 1 for group in together if any(group))
