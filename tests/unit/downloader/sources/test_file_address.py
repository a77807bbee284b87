"""The address of a file on this machine stands for its path, in a command and in a playlist of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.cli.options import with_paths
from ingest.downloader.sources.feeds.forms import Form
from ingest.downloader.sources.feeds.lists import sources_in
from ingest.downloader.sources.file_address import path_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        pytest.param("file:///home/me/A%20talk%20%231.mp3", "/home/me/A talk #1.mp3", id="of a file manager"),
        pytest.param("file://localhost/a.mp3", "/a.mp3", id="with a host"),
        pytest.param("FILE:/a.mp3", "/a.mp3", id="without slashes"),
        pytest.param("file:///%FF.mp3", "/\udcff.mp3", id="not UTF-8"),
        pytest.param("file://server/a.mp3", "file://server/a.mp3", id="of another machine"),
        pytest.param("file:a.mp3", "file:a.mp3", id="a name"),
        pytest.param("https://example.org/a%20b.mp3", "https://example.org/a%20b.mp3", id="of the web"),
        pytest.param("a%20b.mp3", "a%20b.mp3", id="a path"),
    ],
)
def test_an_address_of_this_machine_is_a_path(text: str, path: str) -> None:
    assert path_of(text) == path
    assert with_paths([text]) == [path]


@given(st.text(st.characters(exclude_categories=["Cs"])).map("/{}".format))
def test_any_path_can_be_given_as_an_address(path: str) -> None:
    assert path_of(f"file://{quote(path)}") == path


def test_a_playlist_of_this_machine_may_name_files_by_their_addresses(tmp_path: Path) -> None:
    data = b"#EXTM3U\nfile:///music/A%20talk.mp3\nfile:///a%00.mp3\nfile:///etc/passwd\nb%20.mp3\n"
    found = sources_in(data, Form.PLAYLIST, folder=tmp_path)
    assert found.addresses == ["/music/A talk.mp3", str(tmp_path / "b%20.mp3")]


def test_a_playlist_of_the_web_names_no_file() -> None:
    data = b"#EXTM3U\nfile:///music/a.mp3\n1.mp3\n"
    assert sources_in(data, Form.PLAYLIST, base="https://example.org/x.m3u").addresses == ["https://example.org/1.mp3"]
