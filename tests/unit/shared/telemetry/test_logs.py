"""Log lines: no secret reaches them, and each says what it is about."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import threading

import pytest

from ingest.shared.telemetry import logs

TOKEN = "hunter2"  # noqa: S105 (the secret of these tests)


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize(
    "key", ["password", "nats_password", "api_token", "Cookie", "authorization", "client_secret", "credentials"]
)
def test_the_value_of_a_key_that_names_a_secret_is_masked(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json_lines=True)
    logs.get_logger("ingest.x").info("told", **{key: TOKEN}, user="ingest")
    (line,) = written(capsys)
    assert (line[key], line["user"]) == ("***", "ingest")


def test_a_secret_in_the_event_or_a_value_is_masked(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json_lines=True)
    logs.get_logger("ingest.x").info("at nats://u:hunter2@h", url="https://h/a?sig=hunter2")
    assert TOKEN not in capsys.readouterr().err


def fail() -> None:
    raise ValueError(f"cannot get https://h/a?sig={TOKEN}")


@pytest.mark.parametrize("json_lines", [pytest.param(True, id="json"), pytest.param(False, id="console")])
def test_a_secret_in_a_traceback_is_masked(json_lines: bool, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: FBT001 (a table)
    logs.configure(json_lines=json_lines)
    try:
        fail()
    except ValueError:
        logs.get_logger("ingest.x").exception("unexpected_error")
    text = capsys.readouterr().err
    assert "ValueError" in text
    assert TOKEN not in text


def test_a_line_says_which_stage_video_and_attempt_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json_lines=True, stage="asr")
    with logs.bound(video_id="abcdefghijk", attempt=2):
        logs.get_logger("ingest.asr.handler").info("started")
    (line,) = written(capsys)
    assert {key: line[key] for key in ("event", "module", "level", "stage", "video_id", "attempt")} == {
        "event": "started",
        "module": "asr.handler",
        "level": "info",
        "stage": "asr",
        "video_id": "abcdefghijk",
        "attempt": 2,
    }


def test_what_is_bound_is_on_the_lines_of_its_thread_and_its_block_only(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json_lines=True, stage="asr")
    log = logs.get_logger("ingest.x")
    with logs.bound(video_id="abcdefghijk"):
        other = threading.Thread(target=lambda: log.info("elsewhere"))
        other.start()
        other.join()
        log.info("inside")
    log.info("after")
    lines = {str(line["event"]): line for line in written(capsys)}
    assert {event: line.get("video_id") for event, line in lines.items()} == {
        "elsewhere": None,
        "inside": "abcdefghijk",
        "after": None,
    }
    assert {line["stage"] for line in lines.values()} == {"asr"}


def test_there_are_colors_on_a_terminal_only(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json_lines=False)
    logs.get_logger("ingest.test").warning("said")
    assert "said" in (told := capsys.readouterr().err)
    assert "\x1b" not in told


def test_a_full_disk_under_the_log_ends_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.fdopen(os.open("/dev/full", os.O_WRONLY), "w", buffering=1)
    monkeypatch.setattr("sys.stderr", full)
    logs.configure(json_lines=True)
    logs.get_logger("ingest.test").error("said")
    with pytest.raises(OSError, match="No space left"):
        full.close()


def test_a_line_after_the_end_of_its_stream_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure(json_lines=True)
    stream.close()
    logs.get_logger("ingest.test").info("late")


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json_lines=True, level="WARNING")
    logs.get_logger("ingest.x").info("chatter")
    logs.get_logger("ingest.x").warning("trouble")
    assert [line["event"] for line in written(capsys)] == ["trouble"]


@pytest.mark.parametrize("json_lines", [pytest.param(True, id="json"), pytest.param(False, id="console")])
def test_the_log_of_a_library_is_masked_and_is_one_line(json_lines: bool, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: FBT001 (a table)
    logs.configure(json_lines=json_lines)
    logging.getLogger("psycopg.pool").warning("cannot connect to '%s'\n\x1b[2J", f"postgresql://u:{TOKEN}@h/x")
    text = capsys.readouterr().err
    assert "postgresql://***@h/x" in text
    assert TOKEN not in text
    assert "\x1b[2J" not in text
    assert text.count("\n") == 1


def test_secrets_in_lists_and_inner_values_are_masked(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json_lines=True)
    inner = {"password": TOKEN, "url": f"nats://u:{TOKEN}@h"}
    logs.get_logger("ingest.x").info(
        "told", several=[f"https://h/?sig={TOKEN}", inner], error=ValueError(f"u:{TOKEN}@h")
    )
    assert TOKEN not in capsys.readouterr().err


def test_an_exception_that_ends_the_process_is_masked(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json_lines=True)
    try:
        fail()
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    (line,) = written(capsys)
    assert line["level"] == "error"
    assert "cannot get https://h/a?***" in str(line["exception"])


AT_ONCE = """
import threading, time
from ingest.shared.telemetry import logs
logs.configure(json_lines=True)
import structlog
configure = structlog.configure
def configure_slowly(**options):
    time.sleep(0.2)
    configure(**options)
structlog.configure = configure_slowly
log, start = logs.get_logger("ingest.x"), threading.Barrier(8)
def write():
    start.wait()
    log.info("told", password="hunter2")
threads = [threading.Thread(target=write) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_the_first_lines_of_several_threads_are_all_masked() -> None:
    done = subprocess.run([sys.executable, "-c", AT_ONCE], capture_output=True, text=True, check=True)
    assert [json.loads(line)["password"] for line in done.stderr.splitlines()] == ["***"] * 8
    assert done.stdout == ""
