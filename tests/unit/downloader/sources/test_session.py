"""The sessions of yt-dlp: cookies are used for YouTube only, and their file is never written or printed; our name."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.settings import DownloaderSettings
from ingest.downloader.sources.connector import SiteOptions, site_options
from ingest.downloader.sources.media import generic
from ingest.downloader.sources.session import session
from ingest.shared.errors import Code, ConfigurationError, IngestError
from ingest.shared.settings import load

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = SiteOptions(("youtube.*",), socket_timeout_s=0.5, max_bytes=1000, site_pause_s=3600.0)
COOKIES = "# Netscape HTTP Cookie File\n# exported by hand\n.youtube.com\tTRUE\t/\tTRUE\t0\tSID\tvalue\n"


def test_cookies_are_used_and_their_file_is_not_changed(tmp_path: Path) -> None:
    """The file may be a read-only secret, and other jobs read it at the same time."""
    file = tmp_path / "cookies.txt"
    file.write_text(COOKIES)
    with session(replace(OPTIONS, cookies_file=str(file))) as site:
        assert [cookie.name for cookie in site.cookiejar] == ["SID"]
    assert file.read_text() == COOKIES


def test_cookies_are_not_sent_to_other_sites(tmp_path: Path) -> None:
    file = tmp_path / "cookies.txt"
    file.write_text(COOKIES)
    with session(generic(replace(OPTIONS, cookies_file=str(file)))) as site:
        assert list(site.cookiejar) == []


def test_our_name_is_sent_to_any_site_but_youtube() -> None:
    options = site_options(load(DownloaderSettings))
    assert options.user_agent == f"ingest/{metadata.version('ingest')}"
    with session(generic(options)) as site:
        assert site.params["http_headers"]["User-Agent"] == options.user_agent
    with session(options) as site:
        assert "ingest" not in site.params["http_headers"]["User-Agent"]


@pytest.mark.parametrize("name", ["", "a\nb", "é", "x" * 301])
def test_a_name_that_no_request_can_carry_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="INGEST_USER_AGENT"):
        load(DownloaderSettings, user_agent=name)


def test_a_missing_cookies_file_is_an_error_of_the_environment(tmp_path: Path) -> None:
    options = replace(OPTIONS, cookies_file=str(tmp_path / "cookies.txt"))
    with pytest.raises(IngestError, match=r"cookies\.txt cannot be read: No such file") as caught:
        session(options)
    assert caught.value.code is Code.ENV_COOKIES


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "is not a cookies file in Netscape's format", id="empty"),
        pytest.param(b'[{"name": "SID", "value": "SECRET"}]', "is not a cookies file", id="JSON"),
        pytest.param(COOKIES.encode() + b"\xff", "is not UTF-8 text", id="no text"),
        pytest.param(f"{COOKIES}.youtube.com\tTRUE\t/\tTRUE\t0\tSID SECRET\n".encode(), "line 4", id="a field too few"),
        pytest.param(f"{COOKIES}.youtube.com\tTRUE\t/\tTRUE\tnever\tSID\tSECRET\n".encode(), "line 4", id="no time"),
        pytest.param(COOKIES.replace("\t0\t", "\t1700000000\t").encode(), "are past their time", id="ended"),
        pytest.param(f"{COOKIES}youtube.com\tTRUE\t/\tTRUE\t0\tSID\tSECRET\n".encode(), "line 4", id="no domain"),
    ],
)
def test_an_invalid_cookies_file_is_an_error_of_the_environment_and_is_not_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    file = tmp_path / "cookies.txt"
    file.write_bytes(content)
    with pytest.raises(IngestError, match=said) as caught:
        session(replace(OPTIONS, cookies_file=str(file)))
    assert caught.value.code is Code.ENV_COOKIES
    printed = capfd.readouterr()
    assert "SECRET" not in printed.out + printed.err + str(caught.value)


def test_cookies_of_one_host_and_http_only_cookies_are_used(tmp_path: Path) -> None:
    file = tmp_path / "cookies.txt"
    file.write_text(
        f"{COOKIES}\n#HttpOnly_.youtube.com\tTRUE\t/\tTRUE\t1999999999.5\tLOGIN\tx\n"
        "www.youtube.com\tFALSE\t/\tTRUE\t\tHOST\ty\n"
    )
    with session(replace(OPTIONS, cookies_file=str(file))) as site:
        assert {cookie.name for cookie in site.cookiejar} == {"SID", "LOGIN", "HOST"}
