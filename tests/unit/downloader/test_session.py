"""A yt-dlp of ours: what it does with what it was given."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from services.downloader.ytdlp import SiteOptions, session
from services.shared.errors import Code, IngestError
from services.shared.messages import SourceKind

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = SiteOptions(("youtube.*",), socket_timeout_s=0.5, max_bytes=1000, site_pause_s=3600.0)
COOKIES = "# Netscape HTTP Cookie File\n# exported by hand\n.youtube.com\tTRUE\t/\tTRUE\t0\tSID\tvalue\n"


def test_cookies_are_used_and_their_file_is_left_as_it_is(tmp_path: Path) -> None:
    """It may be a secret that cannot be written, and other jobs read it at the same time."""
    file = tmp_path / "cookies.txt"
    file.write_text(COOKIES)
    with session(SourceKind.YOUTUBE, replace(OPTIONS, cookies_file=str(file))) as site:
        assert [cookie.name for cookie in site.cookiejar] == ["SID"]
    assert file.read_text() == COOKIES


def test_cookies_go_to_no_other_site(tmp_path: Path) -> None:
    file = tmp_path / "cookies.txt"
    file.write_text(COOKIES)
    with session(SourceKind.MEDIA, replace(OPTIONS, cookies_file=str(file))) as site:
        assert list(site.cookiejar) == []


def test_cookies_that_are_not_there_are_no_video_s_fault(tmp_path: Path) -> None:
    options = replace(OPTIONS, cookies_file=str(tmp_path / "cookies.txt"))
    with pytest.raises(IngestError, match="INGEST_COOKIES_FILE: No such file") as caught:
        session(SourceKind.YOUTUBE, options)
    assert caught.value.code is Code.ENV_VOLUME
