"""The rules of the download stage: when a file is complete, and what its name may be."""

from __future__ import annotations

import pytest

from services.downloader.fetch import check_length, extension_of
from services.shared.errors import Code, IngestError


@pytest.mark.parametrize(
    ("duration_s", "announced_s"),
    [
        pytest.param(100.0, 100.0, id="as announced"),
        pytest.param(98.0, 100.0, id="2 s less"),
        pytest.param(980.0, 1000.0, id="2 % less"),
        pytest.param(500.0, 100.0, id="longer"),
        pytest.param(0.5, 2.0, id="of hardly any length"),
        pytest.param(1.0, None, id="nothing announced"),
    ],
)
def test_a_file_of_about_the_announced_length_is_complete(duration_s: float, announced_s: float | None) -> None:
    check_length(duration_s, announced_s)


@pytest.mark.parametrize(
    ("duration_s", "announced_s"),
    [
        pytest.param(97.9, 100.0, id="more than 2 s less"),
        pytest.param(979.0, 1000.0, id="more than 2 % less"),
        pytest.param(0.0, 3600.0, id="nothing"),
    ],
)
def test_a_shorter_file_is_truncated(duration_s: float, announced_s: float) -> None:
    with pytest.raises(IngestError, match=f"{duration_s:.1f} s of {announced_s:.1f} s") as caught:
        check_length(duration_s, announced_s)
    assert caught.value.code is Code.TRUNCATED_DOWNLOAD


@pytest.mark.parametrize(
    ("path", "extension"),
    [
        ("/scratch/x/abc.webm", "webm"),
        ("abc.M4A", "m4a"),
        ("abc.tar.opus", "opus"),
        ("abc.mp3.exe", "bin"),
        ("abc", "bin"),
        (".mp3", "bin"),
        ("abc.mp3\n", "bin"),
        ("abc.", "bin"),
    ],
)
def test_only_extensions_that_we_know_get_into_our_names(path: str, extension: str) -> None:
    assert extension_of(path) == extension
