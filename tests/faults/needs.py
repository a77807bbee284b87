"""What a fleet has to be like for a fault, which not every machine allows."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CLOCK = Path(__file__).with_name("clock.c")


class CannotPlayError(Exception):
    """This machine does not allow a fault to be injected."""


@dataclass(frozen=True)
class Needs:
    """What a fleet has to be like for a fault: how long work takes, and which of its parts can be harmed.

    `small_disk` is the part ("nats", "postgres", "volume") that has a small disk of its own; with `own_clock` the
    workers' clock can be put forward and back; with `proxied` they reach the servers through a network of our own.
    """

    work_s: float = 0.0
    small_disk: str = ""
    own_clock: bool = False
    proxied: bool = False


def own_clock(folder: Path) -> dict[str, str]:
    """Return the environment in which a process takes the time of day from `folder/clock`."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise CannotPlayError("needs a C compiler: apt-get install gcc libc6-dev")
    library = folder / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(CLOCK)], check=True)
    return {"LD_PRELOAD": str(library), "INGEST_FAULT_CLOCK": str(folder / "clock")}
