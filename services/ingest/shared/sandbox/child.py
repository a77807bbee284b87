"""Runs untrusted work (content of other sites, media files) in a child process with limits.

The child is forked from a server process (`fork_server`) without settings and secrets. It has limits on memory, CPU
time, file size, open files and the network, and walls where the kernel has them (`confine`). The parent reads its
reports and its answer as plain data (`plain`). At the deadline, when the caller's watcher raises an error, and when the
service ends, the whole process group is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox import plain
from ingest.shared.sandbox.confine import CERTIFICATE_VARIABLES, PROXY_VARIABLES, Confinement

if TYPE_CHECKING:
    from collections.abc import Callable

ChildLimits = Confinement
T = TypeVar("T")
CHECK_EVERY_S = 0.5
READ_BYTES = 1 << 20
STARTING_S = 300.0  # the server imports the modules of a work function before its first child starts
ENDING_S = 10.0  # until the server has reaped a killed child
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH")
NETWORK_VARIABLES = (*CERTIFICATE_VARIABLES, *PROXY_VARIABLES, *map(str.upper, PROXY_VARIABLES))
PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from ingest.shared.sandbox.fork_server import main; main(int(sys.argv[1]))"
)
_lock = threading.Lock()


class Reporter(Protocol):
    """Sends a report from the child to its parent."""

    def __call__(self, numbers: dict[str, float]) -> None:
        """Send the report."""


class Watcher(Protocol):
    """Receives the reports in the parent. An IngestError that it raises ends the child."""

    def __call__(self, numbers: dict[str, float] | None) -> None:
        """Receive a report, or None after half a second without one."""


def run(work: Callable[..., T], args: tuple[Any, ...], limits: Confinement, watch: Watcher | None = None) -> T:
    """Return `work(report, *args)`, computed by a child. `work` is an annotated function of a module.

    Raise the child's IngestError, DEADLINE_EXCEEDED at the deadline, and JOB_CRASHED when it ends without a result (as
    after a signal, or out of memory) or answers what `work` cannot return.
    """
    request = {
        "work": plain.name_of(work),
        "arguments": plain.from_arguments(work, args),
        "limits": asdict(limits),
        "environment": _kept(NETWORK_VARIABLES) if limits.network else {},
    }
    answers, status = _begin(json.dumps(request).encode())
    try:
        status.settimeout(STARTING_S)
        with contextlib.suppress(OSError):  # the end of the server shows below: there is no answer
            status.recv(32)
        result: T = _listen(work, (answers, status), limits, watch)
        return result
    finally:
        with contextlib.suppress(OSError):
            status.shutdown(socket.SHUT_WR)  # the server kills what still runs
        _ending(status)
        status.close()
        os.close(answers)


class _Server:
    """The fork server of this process."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = json.dumps([os.path.abspath(entry) for entry in sys.path])  # noqa: PTH100 (an entry may be empty)
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 (this program, with its own interpreter)
                [sys.executable, "-I", "-c", PROGRAM, str(theirs.fileno()), path],
                env=_kept(KEPT_VARIABLES),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def close(self) -> None:
        """End the server, and all its children."""
        self.control.close()
        if self.owner == os.getpid():
            self.process.wait()


_server: _Server | None = None


def _begin(request: bytes) -> tuple[int, socket.socket]:
    """Send a request to the server; return the pipe of the answers and the status socket."""
    answers, answers_end = os.pipe()
    status, status_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with _lock, status_end:
            try:
                socket.send_fds(_running().control, [request], [answers_end, status_end.fileno()])
            except (BrokenPipeError, ConnectionResetError):  # the server was killed: once more, with a new one
                end_server()
                socket.send_fds(_running().control, [request], [answers_end, status_end.fileno()])
    except BaseException:  # also an interruption: the caller never gets these files
        os.close(answers)
        status.close()
        raise
    finally:
        os.close(answers_end)
    return answers, status


def _running() -> _Server:
    global _server  # noqa: PLW0603 (one server for all threads of the process)
    if _server is None or _server.owner != os.getpid():
        _server = _Server()
    return _server


@atexit.register
def end_server() -> None:
    """End the fork server; the next `run` starts another."""
    global _server  # noqa: PLW0603 (see _running)
    if _server is not None:
        _server.close()
        _server = None


def _kept(names: tuple[str, ...]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}


def _listen(
    work: Callable[..., Any], channels: tuple[int, socket.socket], limits: Confinement, watch: Watcher | None
) -> Any:  # noqa: ANN401 (of the type that the work returns)
    received = plain.Answers(work)
    poll = select.poll()
    poll.register(channels[0], select.POLLIN)
    deadline = time.monotonic() + limits.deadline_s
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise IngestError(Code.DEADLINE_EXCEEDED, f"not finished after {limits.deadline_s:.0f} s")
        if not poll.poll(1000 * min(CHECK_EVERY_S, left_s)):
            if watch is not None:
                watch(None)
            continue
        for kind, content in _frames(received, channels):
            if kind == plain.DONE:
                return content
            if kind == plain.ERROR:
                failure: plain.Failure = content
                raise failure.error()
            if watch is not None:
                watch(content)


def _frames(received: plain.Answers, channels: tuple[int, socket.socket]) -> list[tuple[bytes, Any]]:
    """Read what the child has sent; return the frames that are complete."""
    answers, status = channels
    data = os.read(answers, READ_BYTES)
    if not data:
        raise IngestError(Code.JOB_CRASHED, f"its process ended with {_ending(status)}")
    try:
        return received.take(data)
    except plain.BadAnswerError as error:
        raise IngestError(Code.JOB_CRASHED, f"its process sent {error}") from error


def _ending(status: socket.socket) -> str:
    """Wait until the child has ended; return how."""
    status.settimeout(ENDING_S)
    try:
        code = int(status.recv(32))
    except (OSError, ValueError):  # the server itself has ended, or its status was read before
        return "an unknown status"
    if code == -signal.SIGXCPU:
        return "too much CPU time"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
    return f"status {code}"
