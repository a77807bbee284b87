"""Work in a child process: its result, its errors, and that nothing of it is left when it must end."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox import child
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.confine import OPEN_FILES

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.shared.sandbox.child import Reporter

    Wait = Callable[..., None]

ROOT = Path(__file__).parents[4]
LIMITS = ChildLimits(60.0)
WITH_SLEEP = ChildLimits(60.0, programs=("/bin/sleep",))
LATER = datetime(2026, 1, 2, tzinfo=UTC)


def add(_report: Reporter, first: int, second: int) -> tuple[int, int]:
    return first + second, os.getpid()


def tell(report: Reporter, count: int) -> str:
    for number in range(count):
        report({"number": float(number)})
    return "told"


def refuse(_report: Reporter) -> None:
    raise IngestError(Code.IS_LIVE, "still live", retry_at=LATER, is_final=True)


def break_down(_report: Reporter) -> None:
    raise KeyError("a bug of ours")


def answer_what_cannot_be_sent(_report: Reporter) -> object:
    return lambda: None


def dereference_null(_report: Reporter) -> None:
    ctypes.string_at(0)


def kill_itself(_report: Reporter) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave(_report: Reporter) -> None:
    os._exit(3)


def compute(report: Reporter) -> None:
    report({"pid": float(os.getpid())})
    while True:
        pass


def use_its_time_up(report: Reporter) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (1, 2))
    compute(report)


def take_memory(_report: Reporter, size: int) -> int:
    return len(bytearray(size))


def open_files(_report: Reporter, count: int) -> int:
    return len([os.dup(1) for _ in range(count)])


def hang(report: Reporter) -> None:
    report({"pid": float(os.getpid())})
    time.sleep(60)


def have_a_child(report: Reporter, seconds: float) -> int:
    grandchild = subprocess.Popen(["/bin/sleep", "60"])
    report({"pid": float(grandchild.pid)})
    time.sleep(seconds)
    return grandchild.pid


def announce_and_hang(_report: Reporter, path: str) -> None:
    Path(path + ".tmp").write_text(str(os.getpid()))
    Path(path + ".tmp").rename(path)
    time.sleep(60)


def have_a_child_and_hang(_report: Reporter, path: str) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as grandchild:
        Path(path + ".tmp").write_text(str(grandchild.pid))
        Path(path + ".tmp").rename(path)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def crash(work: Callable[..., object], *args: object, limits: ChildLimits = LIMITS) -> IngestError:
    with pytest.raises(IngestError) as caught:
        child.run(work, args, limits)
    return caught.value


def test_the_result_is_computed_by_another_process() -> None:
    result, pid = child.run(add, (2, 3), LIMITS)
    assert result == 5
    assert pid != os.getpid()


def test_a_large_result_comes_whole() -> None:
    assert child.run(take_memory, (100_000,), LIMITS) == 100_000
    assert len(child.run(repeat, ("x", 5_000_000), LIMITS)) == 5_000_000


def repeat(_report: Reporter, text: str, count: int) -> str:
    return text * count


def test_reports_come_in_order() -> None:
    seen: list[dict[str, float]] = []
    assert child.run(tell, (20,), LIMITS, lambda numbers: seen.append(numbers or {})) == "told"
    assert [numbers["number"] for numbers in seen if numbers] == list(range(20))


def test_an_error_of_ours_passes_through_with_everything_it_says() -> None:
    error = crash(refuse)
    assert (error.code, error.message, error.retry_at, error.is_final) == (Code.IS_LIVE, "still live", LATER, True)


@pytest.mark.parametrize(
    ("work", "code", "says"),
    [
        pytest.param(break_down, Code.UNEXPECTED, "KeyError: 'a bug of ours'", id="exception"),
        pytest.param(answer_what_cannot_be_sent, Code.UNEXPECTED, "serialize", id="result that cannot be sent"),
        pytest.param(dereference_null, Code.JOB_CRASHED, "SIGSEGV", id="segmentation fault"),
        pytest.param(kill_itself, Code.JOB_CRASHED, "SIGKILL", id="killed"),
        pytest.param(use_its_time_up, Code.JOB_CRASHED, "too much CPU time", id="no processor time left"),
        pytest.param(leave, Code.JOB_CRASHED, "status 3", id="left"),
    ],
)
def test_every_other_end_has_its_code_and_says_what_happened(
    work: Callable[..., object], code: Code, says: str
) -> None:
    error = crash(work)
    assert error.code is code
    assert says in error.message


def test_work_that_wants_too_much_memory_is_ended() -> None:
    error = crash(take_memory, 2 << 30, limits=ChildLimits(60.0, memory_bytes=1 << 30))
    assert (error.code, error.message) == (Code.JOB_CRASHED, "needs more than 1024 MiB of memory")


def test_memory_is_not_limited_where_no_limit_is_set() -> None:
    assert child.run(take_memory, (64 << 20,), ChildLimits(60.0, memory_bytes=0)) == 64 << 20


def test_work_that_opens_too_many_files_is_refused_them() -> None:
    assert "Too many open files" in crash(open_files, OPEN_FILES).message
    assert child.run(open_files, (OPEN_FILES // 2,), LIMITS) == OPEN_FILES // 2


def test_work_beyond_its_deadline_is_ended() -> None:
    began = time.monotonic()
    error = crash(hang, limits=ChildLimits(1.0))
    assert (error.code, error.message) == (Code.DEADLINE_EXCEEDED, "not finished after 1 s")
    assert time.monotonic() - began < 20


@pytest.mark.long
def test_work_that_computes_for_ever_is_ended_also_while_nobody_looks_at_it(wait_until: Wait) -> None:
    """The parent ends it at the deadline; held up itself, the kernel does, ten seconds of processor time later."""
    pids: list[int] = []

    def watch(numbers: dict[str, float] | None) -> None:
        if numbers is not None:
            pids.append(int(numbers["pid"]))
            wait_until(lambda: not is_alive(pids[0]), 120.0)

    with pytest.raises(IngestError) as caught:
        child.run(compute, (), ChildLimits(2.0), watch)
    assert caught.value.code is Code.DEADLINE_EXCEEDED
    assert pids


def test_the_watcher_can_end_the_work() -> None:
    pids: list[int] = []

    def watch(numbers: dict[str, float] | None) -> None:
        if numbers is not None:
            pids.append(int(numbers["pid"]))
            raise IngestError(Code.DOWNLOAD_TOO_SLOW, "enough")

    with pytest.raises(IngestError, match="enough"):
        child.run(hang, (), LIMITS, watch)
    assert not is_alive(pids[0])


def test_the_watcher_is_asked_also_when_nothing_is_reported() -> None:
    seen: list[dict[str, float] | None] = []

    def watch(numbers: dict[str, float] | None) -> None:
        seen.append(numbers)
        if seen[-2:] == [None, None]:
            raise IngestError(Code.DOWNLOAD_TOO_SLOW, "silent")

    with pytest.raises(IngestError, match="silent"):
        child.run(hang, (), LIMITS, watch)


@pytest.mark.parametrize("seconds", [pytest.param(0.0, id="finished"), pytest.param(60.0, id="ended at its deadline")])
def test_what_the_child_has_started_ends_with_it(seconds: float, wait_until: Wait) -> None:
    pids: list[int] = []

    def watch(numbers: dict[str, float] | None) -> None:
        pids.extend([int(numbers["pid"])] if numbers else [])

    if seconds:
        with pytest.raises(IngestError, match="DEADLINE"):
            child.run(have_a_child, (seconds,), replace(WITH_SLEEP, deadline_s=3.0), watch)
    else:
        child.run(have_a_child, (seconds,), WITH_SLEEP, watch)
    wait_until(lambda: not is_alive(pids[0]))


@pytest.mark.parametrize(
    "work",
    [
        pytest.param("announce_and_hang", id="itself"),
        pytest.param("have_a_child_and_hang", id="what it has started"),
    ],
)
def test_the_child_dies_with_its_parent(tmp_path: Path, wait_until: Wait, work: str) -> None:
    told = tmp_path / "pid"
    program = (
        f"from tests.unit.shared.sandbox.test_child import {work}, WITH_SLEEP, child\n"
        f"from dataclasses import replace; limits = replace(WITH_SLEEP, writes=({str(tmp_path)!r},))\n"
        f"child.run({work}, ({str(told)!r},), limits)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    wait_until(told.exists)
    pid = int(told.read_text())
    assert is_alive(pid)
    parent.kill()
    parent.wait()
    wait_until(lambda: not is_alive(pid))


def test_a_process_can_ask_to_die_with_its_parent(tmp_path: Path, wait_until: Wait) -> None:
    told = tmp_path / "pid"
    inner = (
        "import os\nfrom tests.unit.shared.sandbox.test_child import announce_and_hang\n"
        "from ingest.shared.sandbox.confine import die_with_parent\n"
        f"die_with_parent(os.getppid()); announce_and_hang(None, {str(told)!r})"
    )
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    wait_until(told.exists)
    parent.kill()
    parent.wait()
    wait_until(lambda: not is_alive(int(told.read_text())))


def test_a_process_whose_parent_is_gone_already_ends_itself() -> None:
    program = "from ingest.shared.sandbox.confine import die_with_parent; die_with_parent(1 << 22); print('goes on')"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")


def test_a_child_imports_nothing_from_the_current_folder(tmp_path: Path) -> None:
    for name in ("script", "folder"):
        (tmp_path / name).mkdir()
    (tmp_path / "folder" / "numpy.py").write_text("open('imported', 'w')")
    script = tmp_path / "script" / "program.py"
    (tmp_path / "script" / "work.py").write_text(
        "def double(report, number: int) -> int:\n    import numpy\n    return 2 * number\n"
    )
    script.write_text(
        "import work\n"
        "from ingest.shared.sandbox import child\n"
        "print(child.run(work.double, (21,), child.ChildLimits(60.0)))\n"
    )
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path / "folder", stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout == "42\n"
    assert not (tmp_path / "folder" / "imported").exists()
