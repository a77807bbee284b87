"""Hours of work in the presence of faults: `python -m tests.faults.soak --minutes 30 --seed 1` (or `make soak`).

Every minute a row of the fault table is played, chosen at random, on one fleet that is never renewed: good recordings
under load, bad ones, unreadable messages, killed and frozen processes and servers. Afterwards the oracle judges
everything that is there, and what could grow with time (memory, open files, unfinished files, messages that nobody
takes) is compared: the last third of the run with the first. The work is the stand-in of the fault table.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from services.cli.purge import sweep
from services.cli.retention import Limits
from services.embedder.catalog import Catalog
from services.shared import logs
from services.shared.bus import LATER_STREAM, WORK_STREAM
from tests.faults.fleet import ROOMS, Fleet, running
from tests.faults.oracle import Reader, judge, unfinished_writes
from tests.faults.rows import ROWS
from tests.faults.trials import LOAD_WORK_S, Trial, is_quiet

PAGE_BYTES = 4096
GROWTH = 1.25  # of the memory of a room's processes, at most
SETTLED_S = 120.0
LONGEST_JOB = timedelta(seconds=120)


@dataclass(frozen=True)
class Sample:
    """What is there at the end of a minute, when nothing is to be done; memory and open files are of each room."""

    memory_mb: dict[str, float]
    open_files: dict[str, int]
    unfinished_files: int
    messages: int


def look(fleet: Fleet) -> Sample:
    """Take a sample."""
    memory, files = {}, {}
    for room in ROOMS:
        numbers = [worker.process.pid for worker in fleet.of(room)]
        pages = [int(Path(f"/proc/{number}/statm").read_text().split()[1]) for number in numbers]
        memory[room] = max(pages) * PAGE_BYTES / 1e6
        files[room] = max(len(list(Path(f"/proc/{number}/fd").iterdir())) for number in numbers)
    waiting = sum(fleet.bus.stored(stream) for stream in (WORK_STREAM, LATER_STREAM))
    return Sample(memory, files, unfinished_writes(fleet), waiting)


def purge(fleet: Fleet) -> None:
    """Remove what interrupted writes have left, as `ingest purge` does from time to time."""
    rows = Catalog(fleet.archive).videos(list(fleet.generations))
    limits = Limits(timedelta(days=1), LONGEST_JOB, LONGEST_JOB, 0.0)
    sweep(fleet.volume, fleet.settings.volume / "scratch", rows, limits, delete=True)


def soak(fleet: Fleet, trial: Trial, minutes: float) -> list[Sample]:
    """Play a random row each minute; return a sample of each."""
    rows = [row for row in ROWS if not row.small_disk and not row.own_clock]
    samples: list[Sample] = []
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        began, row = time.monotonic(), trial.rng.choice(rows)
        row.play(trial)
        fleet.until(lambda: is_quiet(fleet), SETTLED_S, "messages are left")
        purge(fleet)
        samples.append(look(fleet))
        print(f"minute {len(samples)}: {row.number} {row.fault}: {time.monotonic() - began:.0f} s", flush=True)
        fleet.let_pass(began + 60 - time.monotonic())
    return samples


def report(samples: list[Sample]) -> list[str]:
    """Print the first and the last third of a run; return what has grown."""
    third = max(1, len(samples) // 3)
    grown = []
    print("| | first third | last third |\n|---|---|---|")
    for room in ROOMS:
        first, last = (
            statistics.median(one.memory_mb[room] for one in part) for part in (samples[:third], samples[-third:])
        )
        print(f"| {room}: memory of a process | {first:.0f} MB | {last:.0f} MB |")
        if last > GROWTH * first:
            grown.append(f"the memory of {room} has grown from {first:.0f} to {last:.0f} MB")
        print(
            f"| {room}: open files | {max(one.open_files[room] for one in samples[:third])} "
            f"| {max(one.open_files[room] for one in samples[-third:])} |"
        )
    for name in ("unfinished_files", "messages"):
        first_most, last_most = (
            max(getattr(one, name) for one in part) for part in (samples[:third], samples[-third:])
        )
        print(f"| {name.replace('_', ' ')} | {first_most} | {last_most} |")
    return grown


def main() -> int:
    """Soak, print the numbers, and return 1 when a promise was broken or something has grown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logs.configure(json_lines=True, level="ERROR")
    with tempfile.TemporaryDirectory(prefix="ingest-soak-") as folder, running(Path(folder), LOAD_WORK_S) as fleet:
        reader = Reader(fleet)
        reader.start()
        trial = Trial(fleet, random.Random(options.seed))  # noqa: S311 (repeatable)
        samples = soak(fleet, trial, options.minutes)
        reader.stop()
        wrong = [*trial.wrong, *judge(fleet, reader, failures=trial.failures, faults=trial.faults)]
        videos = len(fleet.generations)
    wrong += report(samples)
    print(f"{videos} videos, {trial.faults} faults, {len(wrong)} promises broken", *wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
