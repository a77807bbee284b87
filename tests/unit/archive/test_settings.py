"""The settings of the read side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingest.archive.settings import ArchiveSettings
from ingest.shared.errors import ConfigurationError
from ingest.shared.settings import load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("content", ["", "\n"])
def test_a_file_without_a_token_does_not_open_the_archive_to_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    (tmp_path / "ingest_archive_token").write_text(content)
    monkeypatch.setenv("INGEST_SECRETS_DIR", str(tmp_path))
    with pytest.raises(ConfigurationError, match="INGEST_ARCHIVE_TOKEN"):
        load(ArchiveSettings)
