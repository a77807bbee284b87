"""The list of media formats: the decoder has each of them, and source code is not taken for a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import pytest

from ingest.downloader.fetch import extension_of
from ingest.shared.formats import MEDIA_SUFFIXES, SUFFIXES_OF, is_media_file

if TYPE_CHECKING:
    from pathlib import Path

PACKET = b"\x47" + bytes(187)


@pytest.mark.parametrize("demuxer", sorted(SUFFIXES_OF))
def test_the_decoder_has_each_format_of_the_list(demuxer: str) -> None:
    assert av.ContainerFormat(demuxer, "r").is_input


@pytest.mark.parametrize("suffix", sorted(MEDIA_SUFFIXES))
def test_a_file_with_a_suffix_of_the_list_is_listed_and_keeps_its_suffix(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a{suffix.upper()}"
    file.write_bytes(PACKET)
    assert is_media_file(file)
    assert extension_of(str(file)) == suffix.removeprefix(".")


@pytest.mark.parametrize(
    ("name", "content", "listed"),
    [
        pytest.param("a.ts", PACKET, True, id="transport stream"),
        pytest.param("a.mts", bytes(4) + PACKET, True, id="transport stream of a camera"),
        pytest.param("a.ts", b"export const a = 1;", False, id="TypeScript"),
        pytest.param("a.mts", b"export {};", False, id="a module in TypeScript"),
        pytest.param("a.ts", b"", False, id="nothing"),
        pytest.param("a.txt", PACKET, False, id="another suffix"),
        pytest.param("mp3", PACKET, False, id="no suffix"),
    ],
)
def test_source_code_with_the_suffix_of_a_recording_is_not_listed(
    tmp_path: Path, name: str, content: bytes, *, listed: bool
) -> None:
    (tmp_path / name).write_bytes(content)
    assert is_media_file(tmp_path / name) is listed
