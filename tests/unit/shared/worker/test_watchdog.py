"""The watchdog ends a process that hangs, and no other. Each case is a process of its own: the timer is global."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]
BEGINNING = """
import threading, time
from ingest.shared.worker.watchdog import Watchdog
watchdog = Watchdog()
"""


def ran(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BEGINNING + program]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=60)


def test_a_job_beyond_its_limit_ends_the_process_and_shows_where_it_hangs() -> None:
    process = ran("""
def hangs_here():
    with watchdog.limit(0.2):
        time.sleep(50)
hangs_here()
""")
    assert process.returncode == 1
    assert "Timeout" in process.stderr
    assert "hangs_here" in process.stderr


def test_a_job_within_its_limit_is_left_alone_and_so_is_what_follows() -> None:
    process = ran("""
with watchdog.limit(0.2):
    pass
time.sleep(0.5)
print("finished")
""")
    assert (process.returncode, process.stdout, process.stderr) == (0, "finished\n", "")


def test_a_job_that_fails_is_watched_no_more() -> None:
    process = ran("""
try:
    with watchdog.limit(0.2):
        raise ValueError
except ValueError:
    time.sleep(0.5)
print("finished")
""")
    assert (process.returncode, process.stdout) == (0, "finished\n")


def test_the_end_of_one_job_does_not_free_another_that_hangs() -> None:
    process = ran("""
def hang():
    with watchdog.limit(0.5):
        time.sleep(50)
threading.Thread(target=hang, daemon=True).start()
time.sleep(0.1)
with watchdog.limit(30):
    pass
time.sleep(20)
print("finished")
""")
    assert (process.returncode, process.stdout) == (1, "")


def test_a_later_job_does_not_give_an_earlier_one_more_time() -> None:
    process = ran("""
def hang():
    with watchdog.limit(0.5):
        time.sleep(50)
threading.Thread(target=hang, daemon=True).start()
time.sleep(0.1)
with watchdog.limit(30):
    time.sleep(20)
print("finished")
""")
    assert (process.returncode, process.stdout) == (1, "")


def test_a_hang_that_holds_the_interpreter_is_ended_too() -> None:
    process = ran("""
import ctypes
with watchdog.limit(0.3):
    ctypes.PyDLL(None).sleep(20)
print("finished")
""")
    assert (process.returncode, process.stdout) == (1, "")
