"""What processes use: memory of their own, processor time; and the size of a folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

STOP_S = 30.0


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command whose output is not wanted, and end it by SIGTERM."""
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stdout=nowhere, stderr=nowhere) as process:  # noqa: S603 (our own module)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_S)


def answering(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Run a command that prints JSON."""
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)  # noqa: S603 (our own module)


def answer(process: subprocess.Popen[bytes]) -> Any:  # noqa: ANN401 (a foreign or generic shape)
    """Wait for the end of a command, and return what it has printed."""
    output, _ = process.communicate()
    return json.loads(output)


def family(first: int) -> list[int]:
    """Return a process and its children."""
    return [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]


def own_bytes(processes: Iterable[int]) -> int:
    """Return the memory of processes without files and without what they share with others."""
    total = 0
    for process in processes:
        with suppress(FileNotFoundError, ProcessLookupError):
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss_Anon:"))
    return total


def peak_bytes() -> int:
    """Return the most memory that this process has had, files included."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def cpu_s(processes: Iterable[int]) -> float:
    """Return the processor time of processes, and of their children that have ended."""
    ticks = 0
    for process in processes:
        with suppress(FileNotFoundError, ProcessLookupError):
            after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, after_name[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def folder_bytes(folder: Path) -> int:
    """Return the size of the files below a folder, which may change meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total
