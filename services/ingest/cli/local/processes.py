"""Starts processes of the local mode, each in its own session, waits for them, and stops them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ingest.shared.errors import ConfigurationError
from ingest.shared.sandbox.confine import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable

START_LIMIT_S = 60.0
STOP_LIMIT_S = 30.0
POLL_S = 0.02

T = TypeVar("T")


def start(
    command: list[str],
    log: Path,
    when_orphaned: signal.Signals,
    keep_open: tuple[int, ...] = (),
    *,
    user: str | None = None,
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process with its output in `log`; it gets `when_orphaned` when this process ends.

    Call this from the main thread.
    """
    parent = os.getpid()
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 (commands of this program)
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=keep_open,
            preexec_fn=lambda: die_with_parent(parent, when_orphaned),  # noqa: PLW1509 (one prctl call, from the main thread)
            env=environment,
            **_identity(user),
        )


def finish(
    command: list[str], keep_open: tuple[int, ...] = (), *, user: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; return its status and output."""
    return subprocess.run(  # noqa: S603 (commands of this program)
        command, capture_output=True, text=True, errors="replace", check=False, pass_fds=keep_open, **_identity(user)
    )


def run(
    command: list[str], log: Path, limit_s: float, keep_open: tuple[int, ...] = (), *, user: str | None = None
) -> None:
    """Run a program to its end, with its output in `log`; raise ConfigurationError when it fails.

    It ends with this process. Call this from the main thread.
    """
    process = start(command, log, signal.SIGKILL, keep_open, user=user)
    try:
        status = process.wait(limit_s)
    except subprocess.TimeoutExpired:
        status = None
    finally:
        stop(process, signal.SIGKILL)
    if status != 0:
        raise ConfigurationError(f"{Path(command[0]).name} failed (log: {log}):\n{_end_of(log)}")


def _identity(user: str | None) -> dict[str, Any]:
    """Return the arguments that run a process as `user`, in a folder that every user can enter (None: as this one)."""
    return {"user": user, "group": user, "extra_groups": [], "cwd": "/"} if user else {}


def stop(process: subprocess.Popen[Any], how: signal.Signals, limit_s: float = STOP_LIMIT_S) -> None:
    """Stop a process; kill it if it does not end within the limit."""
    if not has_ended(process):
        process.send_signal(how)
    await_end(process, limit_s)


def await_end(process: subprocess.Popen[Any], limit_s: float) -> None:
    """Wait for the end of a process; kill it if it does not end within the limit."""
    deadline = time.monotonic() + limit_s
    while not has_ended(process):
        if time.monotonic() > deadline:
            process.kill()
        time.sleep(POLL_S)
    process.poll()  # takes its status


def has_ended(process: subprocess.Popen[Any]) -> bool:
    """Return whether a process has ended.

    The system is asked: a signal whose handler raises may leave the lock of a `Popen` closed, and its `wait` would then
    wait for ever.
    """
    if process.returncode is not None:
        return True
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # its status was taken
        return True


def wait_for(look: Callable[[], T | None], process: subprocess.Popen[bytes], log: Path, what: str) -> T:
    """Return the first result of `look` that is not None.

    Raise ConfigurationError with the end of the log when the process ends first, or at the limit.
    """
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        found = look()
        if found is not None:
            return found
        time.sleep(POLL_S)
    stop(process, signal.SIGKILL)
    raise ConfigurationError(f"{what} did not start (log: {log}):\n{_end_of(log)}")


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").strip().splitlines()[-5:])
