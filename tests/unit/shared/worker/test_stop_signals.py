"""Stop signals: a service sees each of them, however many arrive and whatever it does at that moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from ingest.shared.worker.stop_signals import NUMBERS, StopSignals

PROGRAM = """
import sys
from ingest.shared.worker.stop_signals import StopSignals
signals = StopSignals()
print("ready", flush=True)
seen = 0
while seen < int(sys.argv[1]):  # each wait and each handler may meet the next signal
    seen += signals.wait(0.00001)
print("ended", flush=True)
"""


@pytest.mark.parametrize("number", NUMBERS)
def test_a_flood_of_signals_ends_the_wait(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, "300"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        deadline = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < deadline:
            process.send_signal(number)
        process.kill()
        assert process.stdout.read() == "ended\n"


def test_without_a_signal_a_wait_ends_at_its_limit() -> None:
    before = {number: signal.getsignal(number) for number in NUMBERS}
    try:
        signals = StopSignals()
        assert not signals.wait(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.wait(5)
        assert not signals.wait(0.01)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
