"""The folder of the socket of the embedded Postgres."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from ingest.cli.local.postgres.needs import LONGEST_SOCKET, SOCKET, socket_folder
from ingest.shared.errors import ConfigurationError

NAME = "ingest-0-0123456789ab"


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s")


@pytest.mark.parametrize("part", ["x" * 100, "a,b", "a b", "100%", "ä"])
def test_a_folder_for_temporary_files_whose_path_libpq_does_not_take_is_not_used(
    short: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    unfit = short / part
    unfit.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(unfit))
    found = socket_folder(NAME)
    assert found.parent in (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 (what is expected)
    assert len(str(found / SOCKET)) <= LONGEST_SOCKET
    with pytest.raises(ConfigurationError, match="set TMPDIR"):
        socket_folder(NAME, others=())


def test_a_plain_folder_for_temporary_files_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/var/tmp")  # noqa: S108
    assert socket_folder(NAME).parent == Path("/var/tmp")  # noqa: S108
