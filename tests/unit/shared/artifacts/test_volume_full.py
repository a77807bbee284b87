"""A file that cannot be written to its end leaves nothing behind, and its error says what is full."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox import child
from ingest.shared.sandbox.child import ChildLimits
from tests.support.on_disk import on_disk

if TYPE_CHECKING:
    from ingest.shared.sandbox.child import Reporter

ID = "abcdefghijk"
ROOT = Path(__file__).parents[4]
LIMIT_BYTES = 100_000

ON_A_SMALL_DISK = """
import sys
from pathlib import Path
from ingest.shared.errors import IngestError
from ingest.shared.artifacts.volume import NewArtifact, Volume
folder, source = Path(sys.argv[1]), Path(sys.argv[2])
try:
    Volume(folder).keep("abcdefghijk", NewArtifact(source, "audio", "mp3", 1.0, "audio-1", 1))
except IngestError as error:
    left = [path.name for path in folder.rglob("*") if path.is_file()]
    print(error.code, left)
"""


def keep(_report: Reporter, folder: str, source: str) -> None:
    """Keep a file (runs in a child process)."""
    Volume(Path(folder)).keep(ID, NewArtifact(Path(source), "audio", "mp3", 1.0, "audio-1", 1))


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


def test_a_source_that_has_disappeared_leaves_nothing(tmp_path: Path) -> None:
    volume = Volume(tmp_path / "volume")
    with pytest.raises(IngestError) as caught:
        volume.keep(ID, NewArtifact(tmp_path / "gone.mp3", "audio", "mp3", 1.0, "audio-1", 1))
    assert caught.value.code is Code.ENV_VOLUME
    assert left_in(on_disk(volume).root) == []


def test_a_file_larger_than_may_be_written_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "source.mp3"
    source.write_bytes(bytes(2 * LIMIT_BYTES))
    limits = ChildLimits(30.0, file_bytes=LIMIT_BYTES, writes=(str(tmp_path),))
    with pytest.raises(IngestError) as caught:
        child.run(keep, (str(tmp_path / "volume"), str(source)), limits)
    assert caught.value.code is Code.ENV_VOLUME
    assert left_in(tmp_path / "volume") == []


def test_a_full_disk_has_its_own_code_and_nothing_is_left(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    mount = f'mount -t tmpfs -o size=64k none "{tmp_path}/disk"'
    (tmp_path / "disk").mkdir()
    alone = [unshare or "unshare", "--map-root-user", "--mount", "sh", "-c"]
    if unshare is None or subprocess.run([*alone, mount], check=False, capture_output=True).returncode:
        pytest.skip("needs a mount namespace of its own")
    source = tmp_path / "source.mp3"
    source.write_bytes(bytes(2 * LIMIT_BYTES))
    command = f'{mount} && exec "$@"'
    program = [sys.executable, "-c", ON_A_SMALL_DISK, str(tmp_path / "disk"), str(source)]
    ran = subprocess.run([*alone, command, "sh", *program], check=True, capture_output=True, text=True, cwd=ROOT)
    assert ran.stdout == "ENV_DISK_FULL []\n"
