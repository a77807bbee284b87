"""Injects faults into a whole pipeline and prints the result of each: `python -m tests.faults --rounds 20 --seed 1`.

With `--home s3` or `--home jetstream`, the volume of the pipeline is there, and not in a shared folder.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ingest.shared.telemetry import logs
from tests.faults.fleet import running
from tests.faults.home_rows import ALL, on_home
from tests.faults.homes import HomeName
from tests.faults.needs import CannotPlayError
from tests.faults.oracle import Oracle
from tests.faults.reader import Reader
from tests.faults.rounds import play_round
from tests.faults.trials import BareRow, Row, Trial

KEPT, BROKEN, NOT_PLAYED = "kept", "broken", "not played"
HEAD = "| row | fault | promise | rounds | result | recovery (median / longest) |\n|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Result:
    """The result of a row: rounds played, broken promises, recovery times."""

    row: Row | BareRow
    rounds: int
    wrong: list[str]
    recoveries_s: list[float]

    @property
    def slowest_s(self) -> float:
        """Return the longest recovery."""
        return max(self.recoveries_s, default=0.0)

    @property
    def broken(self) -> list[str]:
        """Return the broken promises, a recovery that took too long included."""
        limit_s = self.row.limit_s
        if self.slowest_s <= limit_s:
            return self.wrong
        return [*self.wrong, f"recovery took {self.slowest_s:.1f} s, promised {limit_s:.0f} s"]


def play(row: Row, rounds: int, seed: int, keep: Path | None = None, home: HomeName = HomeName.FOLDER) -> Result:
    """Play rounds of a row on a fleet of its own, until a round breaks a promise."""
    logs.configure(json_lines=True, level="ERROR")
    folder = Path(tempfile.mkdtemp(prefix="ingest-faults-"))
    with running(folder, row.needs, home) as fleet, Reader(fleet) as reader:
        trial = Trial(fleet, random.Random(f"{seed}:{row.number}"))  # noqa: S311 (repeatable)
        fleet.wait(fleet.submit(2))
        oracle = Oracle(fleet, reader)
        done, wrong = 0, list[str]()
        while done < rounds and not wrong:
            wrong = play_round(row.play, trial, oracle)
            done += 1
        if wrong and keep is not None:
            shutil.copytree(fleet.logs, keep / row.number, dirs_exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    return Result(row, done, wrong, trial.recoveries_s)


def play_bare(row: BareRow, rounds: int, seed: int) -> Result:
    """Play rounds of a row without a fleet, each in a folder of its own, until a round breaks a promise."""
    rng = random.Random(f"{seed}:{row.number}")  # noqa: S311 (repeatable)
    done, wrong, took_s = 0, list[str](), list[float]()
    while done < rounds and not wrong:
        with tempfile.TemporaryDirectory(prefix="ingest-faults-") as folder:
            began = time.monotonic()
            wrong = row.play(Path(folder), rng)
            took_s.append(time.monotonic() - began)
        done += 1
    return Result(row, done, wrong, took_s)


def line(result: Result) -> str:
    """Return a row of the printed table."""
    middle = statistics.median(result.recoveries_s) if result.recoveries_s else 0.0
    said = "FAILED: " + "; ".join(result.broken[:3]) if result.broken else "kept"
    row = result.row
    took = f"{middle:.1f} / {result.slowest_s:.1f} s"
    return f"| {row.number} | {row.fault} | {row.promise} | {result.rounds} | {said} | {took} |"


def chosen(only: str) -> list[Row | BareRow]:
    """Return the rows with these numbers, separated by commas; all rows for an empty text. 24 means 24a to 24c."""
    numbers = {row.number: {row.number, row.family} for row in ALL}
    wanted = {number for number in only.split(",") if number}
    unknown = wanted - set().union(*numbers.values())
    if unknown:
        raise argparse.ArgumentTypeError(f"no row {', '.join(sorted(unknown))}; there are {', '.join(numbers)}")
    families = wanted - set(numbers)
    return [row for row in ALL if not wanted or row.number in wanted or row.family in families]


def main() -> int:
    """Play rows, print the table, and return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=chosen, default="", help="numbers of rows: 6,12 (1: all of 1.x, 24: 24a to 24c)")
    parser.add_argument("--home", type=HomeName, choices=tuple(HomeName), default=HomeName.FOLDER)
    parser.add_argument("--keep", type=Path, help="folder for the logs of rows that fail")
    options = parser.parse_args()
    print(HEAD, flush=True)
    numbers: dict[str, list[str]] = {KEPT: [], BROKEN: [], NOT_PLAYED: [], f"not on the home {options.home}": []}
    for row in options.only:
        text, became = attempt(row, options)
        print(text, flush=True)
        numbers[became].append(row.number)
    del numbers[KEPT]
    print(f"\n{len(options.only)} rows, {', '.join(counted(found, what) for what, found in numbers.items())}")
    return 1 if numbers[BROKEN] else 0


def attempt(row: Row | BareRow, options: argparse.Namespace) -> tuple[str, str]:
    """Play a row on a home; return its line of the table, and what became of it."""
    found = on_home(options.home, row)
    if isinstance(found, str):
        return without(row, f"not on this home: {found}"), f"not on the home {options.home}"
    try:
        result = (
            play_bare(found, options.rounds, options.seed)
            if isinstance(found, BareRow)
            else play(found, options.rounds, options.seed, options.keep, options.home)
        )
    except CannotPlayError as reason:
        return without(found, f"{NOT_PLAYED}: {reason}"), NOT_PLAYED
    return line(result), BROKEN if result.broken else KEPT


def without(row: Row | BareRow, reason: str) -> str:
    """Return the line of a row that was not played."""
    return f"| {row.number} | {row.fault} | {row.promise} | 0 | {reason} | |"


def counted(numbers: list[str], what: str) -> str:
    """Return the count of rows and their numbers."""
    return f"{len(numbers)} {what}" + (f" ({', '.join(numbers)})" if numbers else "")


if __name__ == "__main__":
    sys.exit(main())
