"""The rules of the download stage: which lengths differ, a file's extension, and the error of an unreadable file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingest.downloader.fetch import extension_of, probe
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox import child
from ingest.shared.sandbox.child import ChildLimits
from ingest.shared.sandbox.decode import DecodeLimits, off_s

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("duration_s", "announced_s", "off"),
    [
        pytest.param(100.0, 100.0, 0.0, id="as announced"),
        pytest.param(98.0, 100.0, 0.0, id="2 s less"),
        pytest.param(980.0, 1000.0, 0.0, id="2 % less"),
        pytest.param(0.5, 2.0, 0.0, id="of hardly any length"),
        pytest.param(1.0, None, 0.0, id="nothing announced"),
        pytest.param(97.9, 100.0, 2.1, id="more than 2 s less"),
        pytest.param(979.0, 1000.0, 21.0, id="more than 2 % less"),
        pytest.param(500.0, 100.0, -400.0, id="longer"),
        pytest.param(0.0, 3600.0, 3600.0, id="nothing"),
    ],
)
def test_an_announced_length_differs_by_more_than_2_percent_and_2_seconds(
    duration_s: float, announced_s: float | None, off: float
) -> None:
    assert off_s(duration_s, announced_s) == pytest.approx(off)


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
def test_only_known_extensions_enter_file_names(path: str, extension: str) -> None:
    assert extension_of(path) == extension


def test_a_file_that_cannot_be_read_is_an_error_of_the_volume(tmp_path: Path) -> None:
    """A link to itself stands for a stale handle: both are errors of the file system."""
    loop = tmp_path / "loop.webm"
    loop.symlink_to(loop)
    with pytest.raises(IngestError) as caught:
        child.run(probe, (str(loop), DecodeLimits()), ChildLimits(30.0))
    assert caught.value.code is Code.ENV_VOLUME
