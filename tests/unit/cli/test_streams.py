"""The command line in a process of its own, with streams and an environment as they can be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ingest.cli import console, streams

if TYPE_CHECKING:
    from pathlib import Path


def run(words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run `ingest` by a shell, with redirections as they are typed."""
    program = f"exec {sys.executable} -m ingest.cli {words}"
    places = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    return subprocess.run(
        ["/bin/sh", "-c", program],
        env={**places, "INGEST_STATE_PATH": "/dev/null/state", **environment},
        capture_output=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        pytest.param("config > /dev/full", console.FAILED, b"standard output cannot be written", id="a full disk"),
        pytest.param("--help > /dev/full", console.FAILED, b"No space left on device", id="help on a full disk"),
        pytest.param("status 2> /dev/full", console.FAILED, b"", id="a full disk for errors"),
        pytest.param("config >&-", console.OK, b"", id="no standard output"),
        pytest.param("status 2>&-", console.FAILED, b"", id="no standard error"),
        pytest.param("config <&- >&- 2>&-", console.OK, b"", id="no stream"),
        pytest.param("search \"$(printf 'a\\377')\"", console.USAGE, b"argument 2 is not UTF-8: 'a\\xff'", id="bytes"),
        pytest.param("status --no-such", console.USAGE, b"(see `ingest status --help`)", id="a wrong option"),
    ],
)
def test_a_process_ends_with_a_status_and_at_most_one_line(words: str, status: int, line: bytes) -> None:
    done = run(words)
    assert (done.returncode, done.stdout) == (status, b"")
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == bool(line)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_json_can_be_read_in_every_encoding(encoding: str) -> None:
    user = "é ☃ 😀"
    done = run("config --json", PYTHONIOENCODING=encoding, INGEST_NATS_USER=user)
    rows = {row["variable"]: row["value"] for row in json.loads(done.stdout.decode(encoding))}
    assert rows["INGEST_NATS_USER"] == user


def test_a_table_is_printed_in_every_encoding_and_on_a_terminal_of_any_size() -> None:
    done = run("config", PYTHONIOENCODING="ascii", INGEST_NATS_USER="☃", COLUMNS="0", LINES="²", TERM="dumb")
    assert done.returncode == console.OK
    assert b"\\u2603" in done.stdout


def test_a_command_in_a_deleted_folder_says_so(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = f"cd {gone}; rmdir {gone}; exec {sys.executable} -m ingest.cli.app status --state x"
    done = subprocess.run(["/bin/sh", "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == console.FAILED
    assert done.stderr == (
        "error: x: No such file or directory; name a state folder by --state FOLDER or INGEST_STATE_PATH\n"
    )


@pytest.mark.parametrize(
    ("raised", "status", "line"),
    [
        pytest.param("KeyboardInterrupt()", console.INTERRUPTED, "interrupted", id="interrupted while it is imported"),
        pytest.param("ModuleNotFoundError(name='typer')", console.FAILED, "the package typer is", id="no typer"),
    ],
)
def test_a_start_that_does_not_get_far_is_no_traceback(tmp_path: Path, raised: str, status: int, line: str) -> None:
    (tmp_path / "typer.py").write_text(f"raise {raised}\n")
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from ingest.cli.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, "")
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == bool(line)


@pytest.mark.parametrize(
    ("words", "status"),
    [("config", console.OK), ("status", console.FAILED), ("run ~/talk.ogg --state ~/x", console.FAILED)],
)
def test_a_user_without_a_name_and_a_home_folder_gets_one_line(words: str, status: int) -> None:
    """As in a container whose user is any number."""
    program = "import os; os.getuid = lambda: 123456; from ingest.cli.__main__ import main; main()"
    places = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", program, *words.split()], env=places, capture_output=True, text=True, check=False
    )
    lines = [line.partition(": ")[2].partition(": ")[2] for line in done.stderr.splitlines()]
    said = "Could not determine home directory; name a state folder by --state FOLDER or INGEST_STATE_PATH"
    assert (done.returncode, lines) == (status, [] if status == console.OK else [said])


def test_a_umask_does_not_close_new_files_to_their_own_user() -> None:
    program = "import os; from ingest.cli import streams; os.umask(0o777); streams.prepare(); print(oct(os.umask(0)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0o77\n"


@pytest.mark.parametrize(
    ("text", "is_possible"),
    [("80", True), ("1", True), ("9999", True), ("0", False), ("-1", False), ("²", False), ("", False), ("1e9", False)],
)
def test_only_possible_sizes_of_a_terminal_are_used(
    monkeypatch: pytest.MonkeyPatch, text: str, *, is_possible: bool
) -> None:
    monkeypatch.setenv("COLUMNS", text)
    assert ("COLUMNS" in streams.Environment()) is is_possible
