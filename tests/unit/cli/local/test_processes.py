"""Processes of the local mode end, also when a signal has interrupted the look whether they have ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ingest.cli.local import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"


@pytest.fixture(params=[False, True], ids=["looked at", "interrupted"])
def sleeper(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends by SIGTERM; interrupted, a handler has raised while its `Popen` held its lock."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        lock = process._waitpid_lock  # type: ignore[attr-defined]  # noqa: SLF001 (what an interrupt leaves)
        if request.param:
            lock.acquire()
        try:
            yield process
        finally:
            process.kill()
            if request.param:
                lock.release()


def test_a_process_is_stopped(sleeper: subprocess.Popen[bytes]) -> None:
    assert not processes.has_ended(sleeper)
    began = time.monotonic()
    processes.stop(sleeper, signal.SIGTERM, limit_s=20)
    assert processes.has_ended(sleeper)
    processes.stop(sleeper, signal.SIGTERM, limit_s=20)
    assert time.monotonic() - began < 10


def test_a_process_that_does_not_end_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        processes.stop(process, signal.SIGTERM, limit_s=0.2)
        assert process.returncode == -signal.SIGKILL


def test_a_process_whose_status_another_has_taken_has_ended() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitpid(process.pid, 0)
    assert processes.has_ended(process)
    processes.await_end(process, 5)
    assert process.poll() == 0
