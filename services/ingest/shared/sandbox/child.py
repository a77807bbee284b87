"""Runs untrusted work (content of other sites, media files) in a child process with limits.

The child is forked from a clean server process that has already imported the heavy modules, so it starts in
milliseconds. It leads a process group of its own, is killed when its parent ends, and has limits on memory, CPU time,
file size, open files and the network. The parent reads its reports. It kills the whole group at the deadline, or when
the caller's watcher raises an error.
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
    """The limits of a child.

    With `network`, `hosts` are the names or addresses that it may connect to although they are not public, and
    `programs` are the only programs that it may start.
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
    """Receives the reports in the parent. An IngestError that it raises ends the child."""

    def __call__(self, numbers: dict[str, float] | None) -> None:
        """Receive a report, or None after half a second without one."""


def preload(*modules: str) -> None:
    """Import `modules` in the server process, so that a child does not import them again."""
    _context.set_forkserver_preload(list(modules))


def run(work: Callable[..., T], args: tuple[Any, ...], limits: ChildLimits, watch: Watcher | None = None) -> T:
    """Return `work(report, *args)`, computed by a child.

    Raise the child's IngestError, DEADLINE_EXCEEDED at the deadline, and JOB_CRASHED when it ends without a result (as
    after a signal, or out of memory).
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
    """Kill the child and all processes that it has started."""
    if child.pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    child.kill()
    child.join()


def _child(sender: Connection, work: Callable[..., T], args: tuple[Any, ...], limits: ChildLimits) -> None:
    os.setsid()
    try:
        _confine(limits)
        threading.Thread(
            target=_end_with_parent, daemon=True
        ).start()  # later: a new namespace needs a single-threaded process
        sender.send(("done", work(lambda numbers: sender.send(("report", numbers)), *args)))
    except IngestError as error:
        sender.send(("error", error))
    except MemoryError:
        text = f"needs more than {limits.memory_bytes >> 20} MiB of memory"
        sender.send(("error", IngestError(Code.JOB_CRASHED, text)))
    except Exception as error:  # noqa: BLE001 (raised in the parent)
        sender.send(("error", IngestError(Code.UNEXPECTED, f"{type(error).__name__}: {error}")))


def _end_with_parent() -> None:
    """Kill this group when the process that called `run` ends; the kernel signals only the end of the fork server."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.killpg(os.getpid(), signal.SIGKILL)


def die_with_parent(parent: int, signal_number: int = signal.SIGKILL) -> None:
    """Let the kernel kill this process when `parent` ends (Linux only); exit if it has already ended."""
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
