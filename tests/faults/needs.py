"""Requirements that a fault has of its fleet; not every machine can meet them."""

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
    """Requirements that a fault has of its fleet: how long work takes, and which parts can be harmed.

    `small_disk` is the part ("nats", "postgres", "volume") that gets a small disk. `own_clock` allows to set the
    workers' clock. With `proxied`, the workers connect to the servers through proxies. Where work gets `stuck`, its
    deadline is short, also on a home whose calls may take a minute.
    """

    work_s: float = 0.0
    small_disk: str = ""
    own_clock: bool = False
    proxied: bool = False
    stuck: bool = False


def own_clock(folder: Path) -> dict[str, str]:
    """Return the environment in which a process adds the offset in `folder/clock` to its time of day."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise CannotPlayError("needs a C compiler: apt-get install gcc libc6-dev")
    library = folder / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(CLOCK)], check=True)
    return {"LD_PRELOAD": str(library), "INGEST_FAULT_CLOCK": str(folder / "clock")}
