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


VALUE = "s3cret-session"
NO_COOKIES = [
    pytest.param(f".youtube.com TRUE / TRUE 0 SID {VALUE}\n", id="blanks for tabs"),
    pytest.param(f".youtube.com\tTRUE\t/\tTRUE\tsoon\tSID\t{VALUE}\n", id="a time that is none"),
    pytest.param(f"#HttpOnly_.youtube.com TRUE / TRUE 0 SID {VALUE}\n", id="for http only"),
    pytest.param(f'[{{"name": "SID", "value": "{VALUE}"}}]\n', id="json"),
]


@pytest.mark.parametrize("line", NO_COOKIES)
def test_a_line_that_is_no_cookie_is_left_out_and_not_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    file = tmp_path / "cookies.txt"
    file.write_text(COOKIES + line + "#HttpOnly_.youtube.com\tTRUE\t/\tTRUE\t1900000000.5\tHSID\tvalue\n")
    with session(SourceKind.YOUTUBE, replace(OPTIONS, cookies_file=str(file))) as site:
        assert sorted(cookie.name for cookie in site.cookiejar) == ["HSID", "SID"]
    assert VALUE not in "".join(capsys.readouterr())


@pytest.mark.parametrize("line", NO_COOKIES)
def test_a_file_without_a_cookie_is_refused_at_no_video_s_charge(tmp_path: Path, line: str) -> None:
    file = tmp_path / "cookies.txt"
    file.write_text("# Netscape HTTP Cookie File\n\n" + line)
    with pytest.raises(IngestError, match="INGEST_COOKIES_FILE: no line is a cookie") as caught:
        session(SourceKind.YOUTUBE, replace(OPTIONS, cookies_file=str(file)))
    assert (caught.value.code, VALUE in caught.value.message) == (Code.ENV_VOLUME, False)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param("# Netscape HTTP Cookie File\n\n", [], id="without a cookie"),
        pytest.param("", [], id="empty"),
        pytest.param(COOKIES.rpartition("by hand\n")[2], ["SID"], id="without its first line"),
    ],
)
def test_a_file_may_have_less_than_usual(tmp_path: Path, text: str, names: list[str]) -> None:
    file = tmp_path / "cookies.txt"
    file.write_text(text)
    with session(SourceKind.YOUTUBE, replace(OPTIONS, cookies_file=str(file))) as site:
        assert [cookie.name for cookie in site.cookiejar] == names
