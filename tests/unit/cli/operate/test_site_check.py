"""`ingest doctor --site youtube`: a row for each exit, with its verdict, and without its login."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from ingest.cli.app import app
from ingest.cli.operate.site_check import Row, show, video_id_of
from ingest.shared.errors import ConfigurationError
from tests.support.command_line import CommandLine

if TYPE_CHECKING:
    from pathlib import Path


def test_each_exit_and_account_has_a_row_with_its_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy is gone, and the cookies of the other exit are past their time: no request leaves this machine."""
    exits = tmp_path / "exits"
    exits.write_text("http://anna:s3cretive@127.0.0.1:9\ndirect cookies=home.txt\n")
    (tmp_path / "home.txt").write_text(
        "# Netscape HTTP Cookie File\n.youtube.com\tTRUE\t/\tTRUE\t1700000000\tSID\thidden\n"
    )
    monkeypatch.setenv("INGEST_SITE_PROXIES", str(exits))
    done = CommandLine().invoke(app, ["doctor", "--site", "youtube", "--json", "--state", str(tmp_path / "state")])
    assert done.exit_code == 1, done.output
    first, second = json.loads(done.stdout)
    assert (first["way"], first["is_reachable"], first["verdict"]) == ("proxy", False, "PROXY_REFUSED")
    assert "check its address and login" in first["advice"]
    assert (second["account"], second["is_reachable"], second["verdict"]) == ("home.txt", None, "ENV_COOKIES")
    assert not [secret for secret in ("anna", "s3cretive", "hidden") if secret in done.output]


LONG = "Sign in to confirm that you are no bot. " + "See the page of yt-dlp for how to pass cookies to it. " * 4
ROWS = [
    Row(1, "direct", None, True, "ok", formats=5, bytes_per_s=1_234_567.0),
    Row(2, "proxy", "second.txt", True, "SOURCE_RATE_LIMITED", LONG, "goes on by itself"),
]


@pytest.mark.parametrize(
    ("width", "is_terminal"), [(80, True), (50, True), (80, False)], ids=["terminal", "narrow", "pipe"]
)
def test_a_long_refusal_is_shown_whole_and_on_a_terminal_in_lines_of_whole_words(
    monkeypatch: pytest.MonkeyPatch, width: int, *, is_terminal: bool
) -> None:
    printed = io.StringIO()
    out = Console(file=printed, width=width, force_terminal=is_terminal, color_system=None, soft_wrap=True)
    monkeypatch.setattr("ingest.cli.console.out", out)
    show("dQw4w9WgXcQ", ROWS)
    lines = printed.getvalue().splitlines()
    assert f"exit 2: goes on by itself. Its words: {LONG.strip()}" in " ".join(line.rstrip() for line in lines)
    assert sum(LONG.strip() in line for line in lines) == (not is_terminal)
    assert max(map(len, lines)) <= width or not is_terminal


@pytest.mark.parametrize(
    "text", ["dQw4w9WgXcQ", "https://youtu.be/dQw4w9WgXcQ", "https://www.youtube.com/watch?v=dQw4w9WgXcQ"]
)
def test_a_video_is_named_by_its_id_or_address(text: str) -> None:
    assert video_id_of(text) == "dQw4w9WgXcQ"


@pytest.mark.parametrize(
    "text", ["", "misspelt", "https://example.org/watch?v=dQw4w9WgXcQ", "https://www.youtube.com/@x"]
)
def test_what_is_no_video_of_youtube_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is neither the id nor the address"):
        video_id_of(text)


def test_a_video_without_a_site_is_a_mistake() -> None:
    done = CommandLine().invoke(app, ["doctor", "dQw4w9WgXcQ"])
    assert done.exit_code == 2
