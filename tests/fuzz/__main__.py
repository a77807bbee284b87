"""Plays hostile inputs against all that reads foreign data: `python -m tests.fuzz --minutes 10 --seed 1 --only media`.

Each target has its share of the time. The table says what became of the inputs; a broken property is a finding, printed
with its smallest input, and ends the command with 1. A run with the same seed plays the same inputs in the same order.
"""

from __future__ import annotations

import argparse
import sys
import time

from ingest.shared.telemetry import logs
from tests.fuzz import files, texts
from tests.fuzz.runner import Result, play

TARGETS = (*texts.TARGETS, *files.TARGETS)
SHOWN = 6


def line(result: Result) -> str:
    """Return the row of a target."""
    outcomes = ", ".join(f"{name} {count}" for name, count in result.outcomes.most_common(SHOWN))
    return (
        f"| {result.target.name} | {result.target.promises} | {result.inputs} | {outcomes} | {len(result.findings)} |"
    )


def main() -> int:
    """Play all targets; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", default="", help="a part of the names of the targets")
    chosen = parser.parse_args()
    logs.configure(json_lines=True, level="CRITICAL")
    seed = int(time.time()) if chosen.seed is None else chosen.seed
    targets = [target for target in TARGETS if chosen.only in target.name]
    print(f"seed {seed}\n\n| target | property | inputs | outcomes | findings |\n|---|---|---|---|---|")
    results = []
    for target in targets:
        results.append(play(target, 60 * chosen.minutes / len(targets), seed))
        print(line(results[-1]), flush=True)
    for result in results:
        for name, finding in result.findings.items():
            print(f"\n{result.target.name}: {name}\ninput: {finding.value}\n{finding.error}")
    print(f"\n{sum(result.inputs for result in results)} inputs, {sum(len(r.findings) for r in results)} findings")
    return int(any(result.findings for result in results))


if __name__ == "__main__":
    sys.exit(main())
