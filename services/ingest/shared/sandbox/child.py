"""Runs work that must not be trusted (foreign sites, foreign media) in a child process with limits.

The child is forked from a clean server process that has imported the heavy modules already, so it starts in
milliseconds. It leads a process group of its own, dies with its parent, and has limits on memory, CPU time, file size,
open files and the network. The parent reads its reports, and ends the whole group at the deadline or when the caller
says so.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import resource
import signal
import threading
import time
from dataclasses import dataclass
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox import network

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerProcess

T = TypeVar("T")
PR_SET_PDEATHSIG = 1
CHECK_EVERY_S = 0.5
OPEN_FILES = 256
SAFE_PATH = "PYTHONSAFEPATH"
_starting = threading.Lock()
_context = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class ChildLimits:
    """What a child may use.

    Where it has a network, `hosts` are the names or addresses that it may reach although they are not public, and
    `programs` the only ones that it may start.
    """

    deadline_s: float
    memory_bytes: int = 4 << 30
    file_bytes: int = 16 << 30
    network: bool = False
    hosts: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()


class Reporter(Protocol):
    """Sends a report from the child to its parent."""

    def __call__(self, numbers: dict[str, float]) -> None:
        """Send the report."""


class Watcher(Protocol):
    """Looks at the reports in the parent; raising an IngestError ends the child."""

    def __call__(self, numbers: dict[str, float] | None) -> None:
        """Look at a report, or at None when there was none for a while."""


def preload(*modules: str) -> None:
    """Let the server process import `modules`, which every child then has at once."""
    _context.set_forkserver_preload(list(modules))


def run(work: Callable[..., T], args: tuple[Any, ...], limits: ChildLimits, watch: Watcher | None = None) -> T:
    """Return `work(report, *args)` as computed by a child.

    Raise its IngestError; DEADLINE_EXCEEDED, or JOB_CRASHED when a signal ended it (as running out of memory does).
    """
    _start_server()
    receiver, sender = _context.Pipe(duplex=False)
    child = _context.Process(target=_child, args=(sender, work, args, limits), daemon=True)
    child.start()
    sender.close()
    try:
        result: T = _listen(child, receiver, limits, watch)
        return result
    finally:
        _end(child)
        receiver.close()


def _start_server() -> None:
    """Start the server process unless it runs; it must not import modules from the current folder (as `python -P`)."""
    with _starting:
        before = os.environ.get(SAFE_PATH)
        os.environ[SAFE_PATH] = "1"
        try:
            forkserver.ensure_running()
        finally:
            os.environ.pop(SAFE_PATH)
            if before is not None:
                os.environ[SAFE_PATH] = before


def _listen(child: ForkServerProcess, receiver: Connection, limits: ChildLimits, watch: Watcher | None) -> Any:  # noqa: ANN401 (a foreign or generic shape)
    deadline = time.monotonic() + limits.deadline_s
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise IngestError(Code.DEADLINE_EXCEEDED, f"not finished after {limits.deadline_s:.0f} s")
        try:
            ready = receiver.poll(min(CHECK_EVERY_S, left_s))
            received: tuple[str, Any] = receiver.recv() if ready else ("nothing", None)
            kind, content = received
        except EOFError:
            child.join(CHECK_EVERY_S)
            raise IngestError(Code.JOB_CRASHED, f"its process ended with {_ending(child.exitcode)}") from None
        match kind:
            case "done":
                return content
            case "error":
                error: IngestError = content
                raise error
            case _:
                if watch is not None:
                    watch(content)


def _ending(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-exitcode).name}"
    return f"status {exitcode}"


def _end(child: ForkServerProcess) -> None:
    """End the child and everything it has started."""
    if child.pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    child.kill()
    child.join()


def _child(sender: Connection, work: Callable[..., T], args: tuple[Any, ...], limits: ChildLimits) -> None:
    os.setsid()
    try:
        _confine(limits)
        threading.Thread(target=_end_with_parent, daemon=True).start()  # after it: a new namespace wants a lone thread
        sender.send(("done", work(lambda numbers: sender.send(("report", numbers)), *args)))
    except IngestError as error:
        sender.send(("error", error))
    except MemoryError:
        text = f"needs more than {limits.memory_bytes >> 20} MiB of memory"
        sender.send(("error", IngestError(Code.JOB_CRASHED, text)))
    except Exception as error:  # noqa: BLE001 (told to whoever waits for the answer)
        sender.send(("error", IngestError(Code.UNEXPECTED, f"{type(error).__name__}: {error}")))


def _end_with_parent() -> None:
    """End this group when the process that asked for it is gone; the kernel would watch only the fork server."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.killpg(os.getpid(), signal.SIGKILL)


def die_with_parent(parent: int, signal_number: int = signal.SIGKILL) -> None:
    """Ask the kernel to end this process when `parent` ends (Linux; elsewhere nothing happens), or end if it has."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:
        os._exit(1)


def _confine(limits: ChildLimits) -> None:
    seconds = int(limits.deadline_s) + 10
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, limits.file_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limits.memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    if limits.network:
        network.guard(limits.hosts, limits.programs)
    else:
        network.cut_off()
