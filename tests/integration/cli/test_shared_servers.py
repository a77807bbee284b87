"""Commands on one state folder share its servers, which run until the last command has ended, however it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from ingest.cli.local import addresses, locks
from ingest.cli.local.shared_files import Files
from ingest.cli.local.state_folder import open_connections, open_state_folder
from ingest.cli.settings import AllSettings
from ingest.shared.errors import ConfigurationError
from ingest.shared.settings import load
from tests.integration.bad_inputs.conftest import mounted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.long  # each test starts commands with servers of their own
COMMAND = """
import sys
from pathlib import Path
from ingest.cli.local.state_folder import open_connections
from ingest.cli.settings import AllSettings
from ingest.shared.settings import load
with open_connections(load(AllSettings, state_path=Path(sys.argv[1])), exclusive=len(sys.argv) > 2):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> AllSettings:
    return load(AllSettings, state_path=tmp_path_factory.mktemp("shared") / "state")


@contextmanager
def command(
    settings: AllSettings, *options: str, killed: subprocess.Popen[bytes] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Give a command that uses the servers until its standard input is closed; another one is killed meanwhile."""
    arguments = [sys.executable, "-P", "-c", COMMAND, str(settings.state_path), *options]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if killed is not None:
            killed.kill()
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


def keepers(settings: AllSettings) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words, environment = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
            except OSError:
                continue
            if b"ingest.cli.local.keeper" in words and str(settings.state_path).encode() in environment:
                found.append(int(entry.name))
    return found


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_servers_run_until_the_last_command_has_ended(settings: AllSettings, how: signal.Signals) -> None:
    with command(settings) as first:
        with open_connections(settings) as connections:
            first.send_signal(how)
            first.wait()
            assert connections.catalog.totals() == []
            with open_connections(settings, exclusive=True) as second:
                assert second.settings == connections.settings
            assert connections.catalog.totals() == []
            assert connections.bus.stored("INGEST") == 0
        assert locks.is_free(Files(settings.state_path).servers_lock)
    assert keepers(settings) == []


def test_a_command_that_was_killed_alone_leaves_no_server(
    settings: AllSettings, wait_until: Callable[..., None]
) -> None:
    with command(settings) as only:
        only.kill()
        only.wait()
        wait_until(lambda: locks.is_free(Files(settings.state_path).servers_lock))


def test_another_command_works_beside_a_run_and_the_next_run_beside_that(settings: AllSettings) -> None:
    with command(settings, "exclusive") as run:
        assert not locks.is_free(Files(settings.state_path).run_lock)
        with open_connections(settings) as other:
            assert other.catalog.totals() == []
            run.communicate()
            with open_connections(settings, exclusive=True) as next_run:
                assert next_run.catalog.totals() == []


def test_the_servers_of_a_killed_keeper_start_again_at_their_addresses(
    settings: AllSettings, wait_until: Callable[..., None]
) -> None:
    with command(settings), open_state_folder(settings, exclusive=False) as folder:
        assert folder.servers is not None
        assert folder.servers.keep() == []
        (keeper,) = keepers(settings)
        os.kill(keeper, signal.SIGKILL)
        wait_until(lambda: not Files(settings.state_path).keeper_lives)
        assert folder.servers.keep() == ["the servers ended and were restarted"]
        again = addresses.applied(Files(settings.state_path), settings)
        assert again == folder.settings
        assert again.database_url is not None
        with psycopg.connect(again.database_url.get_secret_value()) as connection:
            assert connection.execute("SELECT count(*) FROM videos").fetchone() == (0,)


def test_an_error_of_a_server_is_that_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "postgres" / "data").mkdir(parents=True)
    (tmp_path / "postgres" / "data" / "mine.txt").touch()
    settings = load(AllSettings, state_path=tmp_path)
    with pytest.raises(ConfigurationError, match="not a data folder of Postgres"), open_connections(settings):
        pass
    assert keepers(settings) == []


def test_a_full_disk_is_named_and_a_small_one_is_enough(tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "8m") as folder:
        settings = load(AllSettings, state_path=folder / "state")
        with pytest.raises(ConfigurationError, match=r"has \d MB left: free 64 MB"), open_connections(settings):
            pass
        subprocess.run(["/bin/mount", "-o", "remount,size=90m", str(folder)], check=True)
        with open_connections(settings) as connections:
            assert connections.catalog.totals() == []


def test_a_command_that_waits_for_servers_gets_them_although_the_one_that_starts_them_is_killed(
    tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    settings = load(AllSettings, state_path=tmp_path / "state")
    arguments = [sys.executable, "-P", "-c", COMMAND, str(settings.state_path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE) as first:
        wait_until(lambda: keepers(settings))
        with command(settings, killed=first) as second:
            assert second.poll() is None
    assert locks.is_free(Files(settings.state_path).servers_lock)
