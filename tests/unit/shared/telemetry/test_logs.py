"""Log lines: no secret reaches them, and each says what it is about."""

from __future__ import annotations

import json
import os
import threading
import time

import pytest

from ingest.shared.telemetry import logs

TOKEN = "hunter2"  # noqa: S105 (the secret of these tests)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        pytest.param("nats://ingest:hunter2@host:4222", "nats://***@host:4222", id="password of a server"),
        pytest.param("at postgresql://u:hunter2@db/x, port", "at postgresql://***@db/x, port", id="inside a text"),
        pytest.param("https://hunter2@host/path", "https://***@host/path", id="token for a user"),
        pytest.param(
            "https://host/hls/sig/hunter2/a.m3u8", "https://host/hls/sig/***/a.m3u8", id="signature in a path"
        ),
        pytest.param("https://host/lsig/hunter2?e=1", "https://host/lsig/***?***", id="signature at the end of a path"),
        pytest.param(
            "get https://manifest.googlevideo.com/api/manifest/ip/1.2.3.4/sparams/a,b/sig/hunter2/index.m3u8: 403",
            "get https://manifest.googlevideo.com/*** 403",
            id="address of YouTube's media",
        ),
        pytest.param(
            "'https://u:hunter2@rr1---sn-x.googlevideo.com:443/videoplayback?pot=hunter2'",
            "'https://***@rr1---sn-x.googlevideo.com:443/***'",
            id="the same with all that an address may have",
        ),
        pytest.param("https://host/a.mp3?sig=hunter2&e=1", "https://host/a.mp3?***", id="signature"),
        pytest.param("get 'https://host/a?sig=hunter2' now", "get 'https://host/a?***' now", id="quoted"),
        pytest.param(
            "https://u:hunter2@host/a?sig=hunter2 and http://b/?t=hunter2",
            "https://***@host/a?*** and http://b/?***",
            id="several",
        ),
        pytest.param("host=db password=hunter2 user=u", "host=db password=*** user=u", id="DSN"),
        pytest.param("host=db PASSWORD='hunter 2' user=u", "host=db password=*** user=u", id="quoted in a DSN"),
        pytest.param("1nats://u:hunter2@host", "1nats://***@host", id="after a digit"),
        pytest.param("postgresql://db/x?password=hunter2", "postgresql://db/x?password=***", id="password in a query"),
    ],
)
def test_secrets_in_a_text_are_masked(text: str, redacted: str) -> None:
    assert logs.redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("https://www.youtube.com/watch?v=dQw4w9WgXcQ", id="video"),
        pytest.param("see https://www.youtube.com/watch?v=dQw4w9WgXcQ.", id="video at the end of a sentence"),
        pytest.param("https://www.youtube.com/playlist?list=UU_x5XG1OV2P6uZZ5FSM9Ttw", id="playlist"),
        pytest.param("what? me@example.org", id="no address"),
        pytest.param("https://example.org/a.mp3", id="no query"),
        pytest.param("https://example.org/design/signatures/a.mp3", id="a path that only begins like a signature"),
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert logs.redact(text) == text


@pytest.mark.parametrize("text", ["k" * 2_000_000, "http://" * 300_000, "k@" * 1_000_000, "a " * 1_000_000])
def test_a_text_of_megabytes_is_cut_in_no_time(text: str) -> None:
    began = time.thread_time()  # what it computes, on a busy machine, too
    assert len(logs.redact(text)) < logs.LONGEST_VALUE + 100
    assert time.thread_time() - began < 2


def test_no_half_of_an_address_is_left_where_a_long_text_is_cut() -> None:
    text = "x " * (logs.LONGEST_VALUE // 2 - 10) + "nats://user:hunter2@host:4222 " + "x" * 100
    assert TOKEN in text[: logs.LONGEST_VALUE]
    assert TOKEN not in logs.redact(text)


def test_a_query_that_only_begins_like_a_video_is_masked() -> None:
    url = "https://www.youtube.com/watch?v=dQw4w9WgXcQ&sig=hunter2"
    assert TOKEN not in logs.redact(url)


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


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json_lines=True, level="WARNING")
    logs.get_logger("ingest.x").info("chatter")
    logs.get_logger("ingest.x").warning("trouble")
    assert [line["event"] for line in written(capsys)] == ["trouble"]
