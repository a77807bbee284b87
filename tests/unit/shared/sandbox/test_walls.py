"""A child that is taken over: what it can still do, tried from inside with the calls of the system's library."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingest.shared.sandbox import child, confine, landlock, seccomp
from ingest.shared.sandbox.child import ChildLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.shared.sandbox.child import Reporter

SECRET = "hunter9-of-the-service"  # noqa: S105 (a password of this test)
LIMITS = ChildLimits(60.0)
KINDS = [
    pytest.param(ChildLimits(60.0), id="decoder"),
    pytest.param(ChildLimits(60.0, network=True), id="with network"),
    pytest.param(ChildLimits(60.0, network=True, programs=("/bin/true",)), id="with a program"),
]


@pytest.fixture
def _all_walls() -> None:
    missing = child.run(confine.missing_walls, (), LIMITS)
    if missing and not os.environ.get("CI"):
        pytest.skip(", ".join(missing))
    assert not missing


def native(name: str, *arguments: object) -> bool:
    """Return whether a call of the system's library succeeds; Python's own checks do not see it."""
    return int(getattr(ctypes.CDLL(None), name)(*arguments)) >= 0


def environment(_report: Reporter, parent: int) -> list[str]:
    """Return the environments that a child can read: its own, and those of the processes around it."""
    found = [json.dumps(dict(os.environ)), Path("/proc/self/environ").read_text()]
    for pid in (parent, os.getppid()):
        try:
            found.append(Path(f"/proc/{pid}/environ").read_text())
        except OSError:
            found.append("")
    return found


@pytest.mark.parametrize("limits", KINDS)
@pytest.mark.usefixtures("_all_walls")
def test_a_child_finds_no_secret_in_any_environment(monkeypatch: pytest.MonkeyPatch, limits: ChildLimits) -> None:
    monkeypatch.setenv("INGEST_NATS_PASSWORD", SECRET)
    program = (
        "import os; from tests.unit.shared.sandbox.test_walls import child, environment\n"
        f"from ingest.shared.sandbox.confine import Confinement; limits = {limits!r}\n"
        "print(child.run(environment, (os.getpid(),), limits))"
    )
    read = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert SECRET not in read.stdout
    assert "INGEST" not in read.stdout
    assert "PATH" in read.stdout


def changes(_report: Reporter, folder: str, own: str) -> list[str]:
    """Return which accesses to files succeed."""
    private, mine = Path(folder, "private"), Path(own, "mine")
    tries: dict[str, Callable[[], object]] = {
        "create": lambda: Path(folder, "new").write_text("x"),
        "change": lambda: private.write_text("x"),
        "append": lambda: private.open("a").close(),
        "truncate": lambda: os.truncate(private, 0),
        "remove": private.unlink,
        "rename": lambda: private.rename(Path(own, "taken")),
        "folder": lambda: Path(folder, "folder").mkdir(),
        "read": private.read_text,
        "list": lambda: list(Path(folder).iterdir()),
        "hard link": lambda: Path(own, "hard").hardlink_to(private),
        "symbolic link": lambda: Path(own, "link").symlink_to(folder),
        "pipe": lambda: os.mkfifo(Path(own, "fifo")),
        "shared memory": lambda: Path("/dev/shm/of-a-child").write_text("x"),  # noqa: S108 (must be refused)
        "temporary": lambda: Path("/tmp/of-a-child").write_text("x"),  # noqa: S108 (must be refused)
        "own create": lambda: mine.write_text("x"),
        "own rename": lambda: mine.rename(Path(own, "moved")),
        "own list": lambda: list(Path(own).iterdir()),
    }
    return [name for name, attempt in tries.items() if succeeds(attempt)]


def succeeds(attempt: Callable[[], object]) -> bool:
    """Return whether a call is neither refused nor false."""
    try:
        return attempt() is not False
    except (OSError, ValueError):  # ValueError: a limit that may not be raised
        return False


@pytest.mark.parametrize("limits", KINDS)
@pytest.mark.usefixtures("_all_walls")
def test_a_child_changes_and_reads_files_of_its_own_folder_only(tmp_path: Path, limits: ChildLimits) -> None:
    folder, own = tmp_path / "folder", tmp_path / "own"
    folder.mkdir()
    own.mkdir()
    (folder / "private").write_text("private")
    assert child.run(changes, (str(folder), str(own)), replace(limits, writes=(str(own),))) == [
        "own create",
        "own rename",
        "own list",
    ]
    assert [path.read_text() for path in folder.iterdir()] == ["private"]


def read_and_write(_report: Reporter, path: str) -> list[bool]:
    return [succeeds(lambda: Path(path).read_text()), succeeds(lambda: Path(path).write_text("x"))]


def attributes(_report: Reporter, private: str, parent: int) -> list[str]:
    """Return which changes succeed that need no access to a file's content, or concern the service."""
    sent = (resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))
    tries: dict[str, Callable[[], object]] = {
        "mode": lambda: os.chmod(private, 0o666),  # noqa: PTH101, S103 (the calls of the system; must be refused)
        "mode of a folder": lambda: os.chmod(str(Path(private).parent), 0o777),  # noqa: PTH101, S103 (must be refused)
        "owner": lambda: os.chown(private, os.getuid(), os.getgid()),
        "times": lambda: os.utime(private),
        "attributes": lambda: os.setxattr(private, "user.x", b"1"),
        "limits of the service": lambda: resource.prlimit(parent, *sent),
        "shared memory": lambda: native("shmget", 0, 4096, 0o1600),
        "queue": lambda: native("msgget", 0, 0o1600),
        "semaphores": lambda: native("semget", 0, 1, 0o1600),
        "own limits": lambda: resource.setrlimit(*sent),
    }
    return [name for name, attempt in tries.items() if succeeds(attempt)]


@pytest.mark.parametrize("limits", KINDS[:2])
@pytest.mark.usefixtures("_all_walls")
def test_a_child_opens_no_file_to_others_and_changes_no_limit_of_the_service(
    tmp_path: Path, limits: ChildLimits
) -> None:
    private = tmp_path / "private"
    private.write_text(SECRET)
    assert child.run(attributes, (str(private), os.getpid()), limits) == ["own limits"]


@pytest.mark.usefixtures("_all_walls")
def test_a_child_reads_a_file_that_it_was_given_and_does_not_change_it(tmp_path: Path) -> None:
    file = tmp_path / "talk.mp3"
    file.write_text("talk")
    assert child.run(read_and_write, (str(file),), LIMITS) == [False, False]
    assert child.run(read_and_write, (str(file),), ChildLimits(60.0, reads=(str(file),))) == [True, False]


def fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def reached(_report: Reporter, service: int) -> list[str]:
    """Return which ways to another process or another machine succeed."""
    program = (ctypes.c_char_p * 2)(b"/bin/true", None)
    tries: dict[str, Callable[[], object]] = {
        "unix socket": lambda: native("socket", socket.AF_UNIX, socket.SOCK_STREAM, 0),
        "packet socket": lambda: native("socket", 17, socket.SOCK_RAW, 0),
        "internet socket": lambda: native("socket", socket.AF_INET, socket.SOCK_STREAM, 0),
        "listen": lambda: native("listen", 0, 1),
        "signal to the service": lambda: native("kill", service, 0),
        "signal to its server": lambda: native("kill", os.getppid(), 0),
        "trace": lambda: native("ptrace", 16, service, 0, 0),
        "namespace": lambda: native("unshare", 0x10000000),
        "io_uring": lambda: native("syscall", 425, 1, None),
        "process": fork,
        "program": lambda: native("execv", b"/bin/true", program),
    }
    return [name for name, attempt in tries.items() if succeeds(attempt)]


@pytest.mark.parametrize(
    ("limits", "possible"),
    [
        pytest.param(ChildLimits(60.0), [], id="decoder"),
        pytest.param(ChildLimits(60.0, network=True), ["internet socket"], id="with network"),
    ],
)
@pytest.mark.usefixtures("_all_walls")
def test_a_child_reaches_no_other_process_and_starts_none(limits: ChildLimits, possible: list[str]) -> None:
    assert child.run(reached, (os.getpid(),), limits) == possible


def use_threads(_report: Reporter) -> int:
    found: list[int] = []
    threads = [threading.Thread(target=found.append, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    signal.signal(signal.SIGUSR1, lambda _number, _frame: found.append(3))
    signal.raise_signal(signal.SIGUSR1)
    return sum(found)


@pytest.mark.parametrize("limits", KINDS)
def test_a_child_has_threads_and_its_own_signals(limits: ChildLimits) -> None:
    assert child.run(use_threads, (), limits) == 6


def raise_limits(_report: Reporter) -> list[bool]:
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    kinds = (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_CPU)
    return [succeeds(lambda kind=kind: resource.setrlimit(kind, unlimited)) for kind in kinds]  # type: ignore[misc]


def test_a_child_does_not_raise_its_limits() -> None:
    assert child.run(raise_limits, (), LIMITS) == [False] * 4


def open_files(_report: Reporter) -> list[str]:
    links = [Path(f"/proc/self/fd/{number}") for number in range(256)]
    return [str(link.readlink()) for link in links if link.is_symlink()]


def test_a_child_has_no_open_file_of_the_service(tmp_path: Path) -> None:
    with (tmp_path / "private").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        found = child.run(open_files, (), LIMITS)
    assert [name for name in found if name != os.devnull and not name.startswith("pipe:")] == []
    assert sum(name.startswith("pipe:") for name in found) == 1  # its answers


@pytest.mark.parametrize(
    ("memory", "pod", "expected"),
    [
        pytest.param(1 << 30, None, 1 << 30, id="no pod"),
        pytest.param(1 << 30, 8 << 30, 1 << 30, id="large pod"),
        pytest.param(4 << 30, 2 << 30, 1 << 30, id="half of the pod"),
        pytest.param(0, 2 << 30, 1 << 30, id="no limit of its own"),
        pytest.param(0, None, 0, id="none at all"),
    ],
)
def test_a_child_takes_at_most_half_of_the_memory_of_its_pod(memory: int, pod: int | None, expected: int) -> None:
    assert ChildLimits(1.0, memory_bytes=memory).within(pod).memory_bytes == expected


def test_a_kernel_without_a_wall_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "CREATE_RULESET", 9999)  # a system call that no kernel has
    with pytest.raises(OSError, match="no landlock"):
        landlock.version()
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(OSError, match="no seccomp filter for riscv64"):
        seccomp.restrict(seccomp.Filter(network=False, programs=False))


@pytest.mark.parametrize("column", [pytest.param(0, id="x86_64"), pytest.param(1, id="aarch64")])
def test_no_two_calls_share_a_number(column: int) -> None:
    numbers = [pair[column] for pair in seccomp.CALLS.values() if pair[column] is not None]
    assert len(set(numbers)) == len(numbers)
