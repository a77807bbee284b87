"""`ingest doctor --site youtube` against the stand-in: what each exit is given, and in which words it is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ingest.cli.app import app
from tests.integration.downloader.youtube.conftest import ACCOUNT, SECRETS, WITH_ACCOUNT
from tests.integration.downloader.youtube.test_extractor import VIDEO
from tests.support.command_line import CommandLine

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.downloader.youtube.conftest import Ways
    from tests.support.youtube_site import YouTube


@pytest.mark.long
def test_each_exit_shows_what_it_is_given(
    youtube: YouTube, ways: Ways, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    youtube.rules.refused = {ways.proxies[1].source}
    ways.proxies[2].stop()
    youtube.rules.ended = {ACCOUNT}
    monkeypatch.setenv("INGEST_SITE_PROXIES", str(ways.file))
    done = CommandLine().invoke(
        app, ["doctor", "--site", "youtube", VIDEO, "--json", "--state", str(tmp_path / "state")]
    )
    assert done.exit_code == 1
    rows = {row["exit"]: row for row in json.loads(done.stdout)}
    found = {number: (row["verdict"], row["is_reachable"]) for number, row in rows.items()}
    assert found == {
        1: ("ok", True),
        2: ("SOURCE_RATE_LIMITED", True),
        3: ("PROXY_REFUSED", False),
        WITH_ACCOUNT: ("ENV_COOKIES", None),
    }
    assert rows[1]["formats"] == 1
    assert rows[1]["bytes_per_s"] > 0
    assert "not a bot" in rows[2]["words"]
    assert rows[WITH_ACCOUNT]["account"] == "second.txt"
    assert not [secret for secret in SECRETS if secret in done.output]
