"""Lines of the local log about what is erased go, all others stay."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import pytest

from ingest.cli.local.locks import Lock
from ingest.cli.local.shared_files import Files
from ingest.cli.local.state_folder import Connections, StateFolder
from ingest.cli.settings import AllSettings
from ingest.cli.upkeep import local_logs
from ingest.shared.errors import ConfigurationError
from ingest.shared.settings import load

if TYPE_CHECKING:
    from pathlib import Path

PATTERNS = {"gone": re.compile(b"gone")}


def connections(state: Path, *, is_local: bool) -> Connections:
    """Return connections as a command has them: its settings name the addresses of its servers in both modes."""
    settings = load(AllSettings, state_path=state, nats_url="nats://127.0.0.1:1", database_url="postgresql://127.0.0.1")
    folder = StateFolder(settings, servers=cast("Any", object()) if is_local else None)
    return Connections(settings, cast("Any", None), cast("Any", None), folder)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "asr.log"
    path.parent.mkdir()
    path.write_text("a gone\nb stays\nc gone\n")
    return path


def test_the_lines_of_the_local_mode_are_counted_and_erased(log: Path) -> None:
    found = connections(log.parents[1], is_local=True)
    of_server = log.parents[1] / "postgres" / "postgres.log"
    of_server.parent.mkdir()
    of_server.write_text("DETAIL:  Key (video_id)=(gone) already exists.\nd stays\n")
    assert local_logs.count(found, PATTERNS, erase=False) == {"gone": 3}
    assert log.read_text().count("gone") == 2
    assert local_logs.count(found, PATTERNS, erase=True) == {"gone": 3}
    assert (log.read_text(), of_server.read_text()) == ("b stays\n", "d stays\n")


def test_the_logs_of_a_folder_whose_servers_are_not_used_stay(log: Path) -> None:
    assert local_logs.count(connections(log.parents[1], is_local=False), PATTERNS, erase=True) == {}
    assert log.read_text().count("gone") == 2


def test_nothing_is_erased_while_a_run_writes(log: Path) -> None:
    lock = Lock(Files(log.parents[1]).run_lock)
    assert lock.acquire()
    with pytest.raises(ConfigurationError, match="writes to the logs"):
        local_logs.count(connections(log.parents[1], is_local=True), PATTERNS, erase=True)
    lock.close()
