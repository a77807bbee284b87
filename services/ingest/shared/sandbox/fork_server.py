"""The process that forks the children. It has imported their modules, so that a child starts in milliseconds.

It is a program of its own, started with an environment that holds no setting and no secret. It has no address:
requests come over a socket that only the service holds. For each, it forks a child, which confines itself first.

    request    JSON (work, arguments, limits, environment) with two open files: the pipe of the answers, a status socket
    status     the server says that the child has started, and then its exit status; it kills the child when the
               service closes its end
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
from typing import Any, NoReturn

from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox import plain
from ingest.shared.sandbox.confine import Confinement, confine, die_with_parent, pod_memory_bytes

LARGEST_REQUEST = 128 << 10
ANSWERS = 3  # the only open file of a child besides the standard ones


def main(control_fd: int) -> NoReturn:
    """Serve until the service closes its end of the control socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=control_fd) as control:
        _Server(control).serve()
    sys.exit(0)


class _Server:
    """The running children, by process id, with their status sockets."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._running: dict[int, socket.socket] = {}
        self._pod_memory_bytes = pod_memory_bytes()
        self._selector = selectors.DefaultSelector()
        self._woken, wake = socket.socketpair()
        for end in (self._woken, wake):
            end.setblocking(False)
        self._wake = wake
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._control, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._control:
                    if not self._accept():
                        return
                elif key.fileobj is self._woken:
                    self._woken.recv(4096)
                    self._reap()
                elif key.data in self._running:
                    _kill(key.data)
                    self._selector.unregister(key.fileobj)

    def _accept(self) -> bool:
        """Fork a child for the next request; return whether there was one."""
        data, files, _, _ = socket.recv_fds(self._control, LARGEST_REQUEST, 2)
        if not data:
            for pid in self._running:
                _kill(pid)
            return False
        answers, status = files
        request: dict[str, Any] = json.loads(data)
        with contextlib.suppress(Exception):  # the child meets the same error, and reports it
            plain.signature(plain.named(request["work"]))
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            _child(server, request, answers, self._pod_memory_bytes)
        with contextlib.suppress(OSError):  # the child does the same: the first of the two wins
            os.setpgid(pid, pid)
        os.close(answers)
        self._running[pid] = socket.socket(fileno=status)
        with contextlib.suppress(OSError):  # the service has ended
            self._running[pid].send(b"started")
        self._selector.register(self._running[pid], selectors.EVENT_READ, pid)
        return True

    def _reap(self) -> None:
        """Send the exit status of each child that has ended, and end what it has started."""
        while self._running:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            _kill(ended.si_pid)
            _, status = os.waitpid(ended.si_pid, 0)
            channel = self._running.pop(ended.si_pid, None)
            if channel is not None:
                with contextlib.suppress(KeyError):
                    self._selector.unregister(channel)
                with contextlib.suppress(OSError), channel:
                    channel.send(str(os.waitstatus_to_exitcode(status)).encode())


def _kill(pid: int) -> None:
    """Kill a child and its process group; its number is not free before the server reaps it."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _child(server: int, request: dict[str, Any], answers: int, pod_bytes: int | None) -> NoReturn:
    try:
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        die_with_parent(server)
        _keep_only(answers)
        os.environ.update(request["environment"])
        _answer(request, Confinement(**request["limits"]).within(pod_bytes))
    finally:
        os._exit(0)


def _keep_only(answers: int) -> None:
    """Close all open files but the answers. What a library prints about foreign content goes nowhere."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.dup2(answers, ANSWERS, inheritable=False)
    os.closerange(ANSWERS + 1, os.sysconf("SC_OPEN_MAX"))


def _answer(request: dict[str, Any], limits: Confinement) -> None:
    try:
        confine(limits)
        work = plain.named(request["work"])
        _send(plain.done_frame(work, work(_report, *plain.to_arguments(work, request["arguments"]))))
    except IngestError as error:
        _send(plain.error_frame(error))
    except MemoryError:
        text = f"needs more than {limits.memory_bytes >> 20} MiB of memory"
        _send(plain.error_frame(IngestError(Code.JOB_CRASHED, text)))
    except Exception as error:  # noqa: BLE001 (raised in the service)
        _send(plain.error_frame(IngestError(Code.UNEXPECTED, f"{type(error).__name__}: {error}")))


def _report(numbers: dict[str, float]) -> None:
    _send(plain.report_frame(numbers))


def _send(frame: bytes) -> None:
    rest = memoryview(frame)
    while rest:
        rest = rest[os.write(ANSWERS, rest) :]
