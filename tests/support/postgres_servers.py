"""Servers of Postgres as others run them: behind a pooler, without pgvector, with passwords."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from ingest.cli.local.postgres.user import SYSTEM_USER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POOLER = """
[databases]
* = host={server}
[pgbouncer]
unix_socket_dir = {folder}
listen_port = 6432
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 3
logfile = {folder}/log
"""
START_LIMIT_S = 30.0


@contextmanager
def pooler(program: str, server: str) -> Iterator[str]:
    """Run PgBouncer in transaction mode before the server of a socket folder, and provide its folder of sockets."""
    with _folder() as folder:
        (folder / "users").write_text('"postgres" ""\n')
        (folder / "pgbouncer.ini").write_text(POOLER.format(server=server, folder=folder))
        command = [program, "-q", str(folder / "pgbouncer.ini")]
        with _running(command, f"host={folder} port=6432 user=postgres", signal.SIGTERM):
            yield str(folder)


@contextmanager
def postgres_with_passwords(programs: Path) -> Iterator[str]:
    """Run the Postgres of a folder of programs, with the user postgres and the password secret; provide its address."""
    with _folder() as folder:
        (folder / "password").write_text("secret")
        words = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "scram-sha-256"]
        words += ["--pwfile", str(folder / "password"), "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(words, check=True, capture_output=True, user=_user(), cwd=folder)
        flags = ["-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off"]
        command = [str(programs / "postgres"), "-D", str(folder / "data"), *flags]
        with _running(command, f"host={folder} user=postgres password=secret", signal.SIGINT):
            yield f"postgresql://postgres:secret@/postgres?host={folder}"


def _user() -> str | None:
    """Return a user that these programs accept: they refuse root."""
    return SYSTEM_USER if os.geteuid() == 0 else None


@contextmanager
def _folder() -> Iterator[Path]:
    """Provide a folder with a short name that the programs can read."""
    folder = Path(tempfile.mkdtemp(prefix="ingest-"))
    user = _user()
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(command: list[str], address: str, end: signal.Signals) -> Iterator[None]:
    """Run a server until the end of the block; `end` is its signal for a stop that waits for no client."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, user=_user(), stdout=quiet, stderr=quiet, cwd="/") as process:
        try:
            _wait_until(lambda: _accepts(address), process)
            yield
        finally:
            process.send_signal(end)


def _wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _accepts(address: str) -> bool:
    try:
        psycopg.connect(address, dbname="postgres", connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True
