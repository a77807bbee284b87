"""Hours of work in the presence of faults: `python -m tests.faults.soak --minutes 30 --seed 1` (or `make soak`).

Every minute a row of the fault table is played, chosen at random, on one fleet that is never renewed: good recordings
under load, bad ones, unreadable messages, killed and frozen processes and servers. The oracle judges everything that is
there after each, and what could grow with time (memory, open files, files that killed workers have left, messages that
a round leaves behind) is compared: the last third of the run with the first. The work is the stand-in of the fault
table.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from services.shared import logs
from services.shared.bus import LATER_STREAM, WORK_STREAM
from tests.faults.fleet import ROOMS, Fleet, Needs, running
from tests.faults.oracle import Oracle, unfinished_writes
from tests.faults.reader import Reader
from tests.faults.rounds import play_round
from tests.faults.rows import ROWS
from tests.faults.trials import LOAD_WORK_S, Row, Trial

NEEDS = Needs(LOAD_WORK_S, proxied=True)
PAGE_BYTES = 4096
GROWTH = 1.25  # of each number, at most
NOISE = 5  # MB, files or messages, beside growth


Sample = dict[str, float]  # the numbers at the end of a round, by their names


def look(fleet: Fleet) -> Sample:
    """Return what a round has left behind, before anybody waits for it to go, or removes it."""
    fleet.watch()
    sample: Sample = {}
    for room in ROOMS:
        processes = [Path(f"/proc/{worker.process.pid}") for worker in fleet.of(room)]
        pages = [int((process / "statm").read_text().split()[1]) for process in processes]
        sample[f"{room}: MB of memory"] = max(pages) * PAGE_BYTES / 1e6
        sample[f"{room}: open files"] = max(len(list((process / "fd").iterdir())) for process in processes)
    sample["unfinished files"] = len(unfinished_writes(fleet))
    sample["messages left"] = sum(fleet.bus.stored(stream) for stream in (WORK_STREAM, LATER_STREAM))
    return sample


def soak(trial: Trial, oracle: Oracle, minutes: float) -> tuple[list[Sample], list[str]]:
    """Play a random row each minute; return a sample of each, and what was wrong."""
    rows = [row for row in ROWS if not row.needs.small_disk and not row.needs.own_clock]
    samples: list[Sample] = []
    wrong: dict[str, None] = {}
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        began, row = time.monotonic(), trial.rng.choice(rows)
        found = play_round(partial(_played, row, samples), trial, oracle)
        wrong.update(dict.fromkeys(found))
        took_s = time.monotonic() - began
        print(f"minute {len(samples)}: {row.number} {row.fault}: {took_s:.0f} s", *found, sep="\n  ", flush=True)
        trial.fleet.let_pass(60 - took_s)
    return samples, list(wrong)


def _played(row: Row, samples: list[Sample], trial: Trial) -> None:
    row.play(trial)
    samples.append(look(trial.fleet))


def report(samples: list[Sample]) -> list[str]:
    """Print the medians of the first and the last third of a run; return what has grown."""
    third = max(1, len(samples) // 3)
    grown = []
    print("| | first third | last third |\n|---|---|---|")
    for name in samples[0]:
        first, last = (statistics.median(one[name] for one in part) for part in (samples[:third], samples[-third:]))
        print(f"| {name} | {first:.0f} | {last:.0f} |")
        if last > GROWTH * first + NOISE:
            grown.append(f"{name} has grown from {first:.0f} to {last:.0f}")
    return grown


def main() -> int:
    """Soak, print the numbers, and return 1 when a promise was broken or something has grown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logs.configure(json_lines=True, level="ERROR")
    with (
        tempfile.TemporaryDirectory(prefix="ingest-soak-") as folder,
        running(Path(folder), NEEDS) as fleet,
        Reader(fleet) as reader,
    ):
        trial = Trial(fleet, random.Random(options.seed))  # noqa: S311 (repeatable)
        fleet.wait(fleet.submit(2))
        samples, wrong = soak(trial, Oracle(fleet, reader), options.minutes)
        videos = len(fleet.generations)
    wrong += report(samples)
    print(f"{videos} videos, {trial.faults} faults, {len(wrong)} promises broken", *wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
