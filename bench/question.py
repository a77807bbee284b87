"""Time from a question to its answer: the page, `ingest search` and `ingest status`, with a running server and without.

The archive is that of a state folder: that of `ingest demo`, made anew, or one of yours (`--state`). Each question is
asked from the start of a process or of a connection to the last byte of the answer; no question is asked twice. A
command without a server starts the database of the state folder and ends it, unless others use it at the same time.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING
from urllib.parse import quote
from urllib.request import urlopen

import numpy as np

from bench import report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INGEST = (sys.executable, "-m", "ingest.cli")
START_S = 180.0
WORDS = ("harbor", "sailor", "moon", "garden", "engine", "bread", "letter", "winter", "bridge", "music")


@dataclass(frozen=True)
class Times:
    """How long answers took, and the processor time of the command that asked (median), in seconds."""

    way: str
    median_s: float
    p95_s: float
    command_cpu_s: float


def measured(way: str, ask: Callable[[str], None], questions: list[str]) -> Times:
    """Return the times of questions, after one that is not counted."""
    ask("the first question")
    took_s, cpu_s = [], []
    for question in questions:
        began, used = monotonic(), _children_s()
        ask(question)
        took_s.append(monotonic() - began)
        cpu_s.append(_children_s() - used)
    return Times(way, report.median(took_s), float(np.percentile(took_s, 95)), report.median(cpu_s))


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(*words: str) -> None:
    """Run a command of `ingest`."""
    subprocess.run((*INGEST, *words), check=True, stdout=subprocess.DEVNULL)  # noqa: S603 (ourselves)


def search(state: Path, question: str) -> None:
    """Ask by `ingest search`."""
    run("search", question, "--state", str(state), "--json")


@contextmanager
def server(state: Path) -> Iterator[str]:
    """Run `ingest serve`; give its address when its text model is loaded."""
    words = (*INGEST, "serve", "--port", "0", "--state", str(state))
    environment = {**os.environ, "INGEST_LOG_LEVEL": "ERROR"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:  # noqa: S603 (ourselves)
        assert process.stdout is not None  # noqa: S101 (a pipe)
        address = process.stdout.readline().partition("http://")[2].partition(" ")[0]
        try:
            began = monotonic()
            while b'"search":"ready"' not in read(f"http://{address}/api/v1/status"):
                if monotonic() - began > START_S:
                    raise SystemExit("the server does not become ready")
                sleep(0.2)
            yield f"http://{address}"
        finally:
            process.terminate()


def read(url: str) -> bytes:
    """Return what is at an address of the server."""
    with urlopen(url) as answer:  # noqa: S310 (its own address)
        content: bytes = answer.read()
    return content


def status(state: Path, _question: str) -> None:
    """Ask how many recordings there are."""
    run("status", "--state", str(state), "--json")


def page(base: str, question: str) -> None:
    """Ask the search page, on a connection of its own."""
    read(f"{base}/?q={quote(question)}")


def measure(state: Path, repeat: int) -> list[Times]:
    """Return the times of each way."""
    texts = [f"{WORDS[number % len(WORDS)]} question {number}" for number in range(3 * repeat)]
    parts = [texts[at : at + repeat] for at in range(0, len(texts), repeat)]
    ask, count = partial(search, state), partial(status, state)
    found = [measured("ingest search, no server", ask, parts[0]), measured("ingest status, no server", count, parts[0])]
    with server(state) as base:
        found.append(measured("ingest search, beside a server", ask, parts[1]))
        found.append(measured("ingest status, beside a server", count, parts[1]))
        found.append(measured("page", lambda text: page(base, text), parts[2]))
    return found


def main() -> None:
    """Read the command line, measure and print."""
    parser = report.parser("bench.question", __doc__)
    parser.add_argument(
        "--state", type=Path, help="state folder with an archive (default: the demonstration's, made anew)"
    )
    parser.add_argument(
        "--repeat", type=report.positive, default=20, help="questions of each way (default %(default)s)"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as temporary:
        state = options.state or Path(temporary) / "demo"
        if options.state is None:
            run("demo", "--state", str(state))
        found = measure(state.resolve(), options.repeat)
    if options.json:
        report.print_json([asdict(one) for one in found])
        return
    report.print_machine()
    rows = [(one.way, f"{one.median_s:.3f} s", f"{one.p95_s:.3f} s", f"{one.command_cpu_s:.2f} s") for one in found]
    report.print_table(("", "median", "95th percentile", "processor time of the command"), rows)


if __name__ == "__main__":
    main()
