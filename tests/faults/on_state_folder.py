"""Faults of the local mode: killed first starts, and commands that overlap on one state folder.

These rows have no fleet. Each round uses the command line as a user does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.trials import BareRow

if TYPE_CHECKING:
    import random

COMMAND_LIMIT_S = 180.0
END_LIMIT_S = 60.0
OVERLAP_S = 4.0
COMMANDS = 4


def first_start_killed(folder: Path, rng: random.Random) -> list[str]:
    """Kill processes of the first command at a random moment; the next command must work."""
    state = folder / "state"
    first = start(state)
    after_s = rng.uniform(0.3, 8.0)
    deadline = time.monotonic() + after_s
    while first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    victims = rng.choice(("all", "keeper", "command", "postgres", "initdb", "nats-server"))
    killed = kill(state, victims)
    first.communicate()
    if victims != "all":
        wait_for_end(state)
    moment = f"{killed} processes ({victims}) killed after {after_s:.2f} s"
    again = start(state)
    out, err = again.communicate(timeout=COMMAND_LIMIT_S)
    wrong = [] if again.returncode == 0 else [f"{moment}: status {again.returncode}: {(out + err).strip()[-300:]}"]
    return [*wrong, *wait_for_end(state)]


def overlapping(folder: Path, rng: random.Random) -> list[str]:
    """Start commands one after the other, and kill one of them; each of the others must work."""
    state = folder / "state"
    running = []
    for _ in range(COMMANDS):
        running.append(start(state))
        time.sleep(rng.uniform(0.0, OVERLAP_S))
    victim = rng.choice(running)
    is_killed = victim.poll() is None
    if is_killed:
        victim.kill()
    wrong = []
    for number, command in enumerate(running):
        out, err = command.communicate(timeout=COMMAND_LIMIT_S)
        if command.returncode != 0 and not (command is victim and is_killed):
            wrong.append(f"command {number}: status {command.returncode}: {(out + err).strip()[-300:]}")
    return [*wrong, *wait_for_end(state)]


def start(state: Path) -> subprocess.Popen[str]:
    """Start a command that uses the servers of a state folder."""
    command = [sys.executable, "-P", "-m", "ingest.cli.app", "status", "--json", "--state", str(state)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=os.environ
    )


def processes(state: Path) -> dict[int, str]:
    """Return the processes that work in a state folder: number and command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdecimal() and int(entry.name) != os.getpid():
                words = (entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
                environment = (entry / "environ").read_bytes().decode(errors="replace")
                if str(state) in words or f"INGEST_STATE_PATH={state}\0" in environment:
                    found[int(entry.name)] = words
    return found


def kill(state: Path, victims: str) -> int:
    """Kill the processes of a state folder whose command line has a word, or all; return how many."""
    word = {"all": "", "command": " status ", "keeper": "local.keeper"}.get(victims, victims)
    chosen = [number for number, words in processes(state).items() if word in words]
    for number in chosen:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    return len(chosen)


def wait_for_end(state: Path) -> list[str]:
    """Wait until no process works in a state folder; return those that do not end."""
    deadline = time.monotonic() + END_LIMIT_S
    while (left := processes(state)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [f"still running: {words[:200]}" for words in left.values()]


STATE_ROWS = (
    BareRow(
        "34", "SIGKILL at a moment of the first start", "the next command works", first_start_killed, COMMAND_LIMIT_S
    ),
    BareRow(
        "35", "commands overlap on one state folder, one is SIGKILLed", "the others work", overlapping, COMMAND_LIMIT_S
    ),
)
