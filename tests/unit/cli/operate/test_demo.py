"""The folder of `ingest demo`, which is emptied first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingest.cli.operate import demo
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["thesis.txt", "postgres", ".profile"])
def test_a_folder_of_other_files_is_refused_and_kept(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("kept")
    with pytest.raises(ConfigurationError, match="is not empty"):
        demo.run(tmp_path, is_own=False)
    assert (tmp_path / name).read_text() == "kept"


def test_a_new_an_empty_and_an_earlier_folder_are_taken(tmp_path: Path) -> None:
    demo.refuse_other_files(tmp_path / "new")
    demo.refuse_other_files(tmp_path)
    (tmp_path / "postgres").mkdir()
    (tmp_path / demo.MARK).touch()
    demo.refuse_other_files(tmp_path)
