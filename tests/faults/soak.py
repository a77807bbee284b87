"""Hours of work in the presence of faults: `python -m tests.faults.soak --minutes 30 --seed 1` (or `make soak`).

Every minute a random row of the fault table is played, on one fleet for the whole run. Each round has good recordings
and a bad one, which one stage after the other refuses. The oracle checks the state after each round. The last third of
the run is compared with the first in everything that could grow with time. Most rows end workers and servers, which are
restarted, so the age of the oldest worker is printed, too. The work is the stand-in of the fault table.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from ingest.shared.broker.topology import LATER_STREAM, WORK_STREAM
from ingest.shared.messages import Stage
from ingest.shared.telemetry import logs
from tests.faults.fleet import SERVICES, Fleet, running
from tests.faults.needs import Needs
from tests.faults.oracle import Oracle, unfinished_writes
from tests.faults.processes import open_files, private_bytes, resident_bytes
from tests.faults.reader import Reader
from tests.faults.recordings import REFUSAL, Flaw
from tests.faults.rounds import play_round
from tests.faults.rows import ROWS
from tests.faults.trials import LOAD_WORK_S, Row, Trial

NEEDS = Needs(LOAD_WORK_S, proxied=True)
GROWTH = 1.25  # of each number, at most
NOISE = 5  # MB, files or messages, beside growth
AGE = "oldest worker: s since its start"


Sample = dict[str, float]  # measurements at the end of a round, by name


def look(fleet: Fleet) -> Sample:
    """Return what a round has left behind, before the wait for its end and before the sweep."""
    fleet.watch()
    sample: Sample = {}
    for service in SERVICES:
        numbers = [worker.process.pid for worker in fleet.of(service)]
        sample[f"{service}: MB of memory"] = max(map(resident_bytes, numbers)) / 1e6
        sample[f"{service}: open files"] = max(map(open_files, numbers))
    servers = fleet.servers
    sample["nats-server: MB of memory"] = resident_bytes(servers.nats.process.pid) / 1e6
    sample["Postgres: MB of memory, without what is shared"] = _sum_mb(servers.postgres_processes())
    sample["unfinished files"] = len(unfinished_writes(fleet))
    sample["messages left"] = sum(fleet.bus.stored(stream) for stream in (WORK_STREAM, LATER_STREAM))
    sample[AGE] = time.monotonic() - min(worker.began for worker in fleet.workers)
    return sample


def _sum_mb(processes: list[int]) -> float:
    """Return the sum of the private memory of processes; one may have ended meanwhile."""
    total = 0
    for process in processes:
        with suppress(FileNotFoundError):
            total += private_bytes(process)
    return total / 1e6


def soak(trial: Trial, oracle: Oracle, minutes: float) -> tuple[list[Sample], list[str]]:
    """Play a random row each minute; return a sample of each, and the broken promises."""
    rows = [row for row in ROWS if not row.needs.small_disk and not row.needs.own_clock]
    samples: list[Sample] = []
    wrong: dict[str, None] = {}
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        began, family = time.monotonic(), trial.rng.choice(sorted({row.family for row in rows}))
        row = trial.rng.choice([row for row in rows if row.family == family])
        found = play_round(partial(_played, row, samples), trial, oracle)
        wrong.update(dict.fromkeys(found))
        took_s = time.monotonic() - began
        print(f"minute {len(samples)}: {row.number} {row.fault}: {took_s:.0f} s", *found, sep="\n  ", flush=True)
        trial.fleet.let_pass(60 - took_s)
    return samples, list(wrong)


def _played(row: Row, samples: list[Sample], trial: Trial) -> None:
    stages = list(Stage)
    (bad,) = trial.fleet.submit(1, Flaw.BAD.at(stages[len(samples) % len(stages)]))
    trial.failures[bad] = REFUSAL
    row.play(trial)
    samples.append(look(trial.fleet))


def report(samples: list[Sample]) -> list[str]:
    """Print the medians of the first and the last third of a run; return the measurements that have grown."""
    third = max(1, len(samples) // 3)
    grown = []
    print("| | first third | last third |\n|---|---|---|")
    for name in samples[0]:
        first, last = (statistics.median(one[name] for one in part) for part in (samples[:third], samples[-third:]))
        print(f"| {name} | {first:.0f} | {last:.0f} |")
        if name != AGE and last > GROWTH * first + NOISE:
            grown.append(f"{name} has grown from {first:.0f} to {last:.0f}")
    return grown


def main() -> int:
    """Soak, print the measurements, and return 1 if a promise was broken or a measurement has grown."""
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
