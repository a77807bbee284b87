"""The broker of all tests, and a nats-server for one test with a configuration that the shared one does not have."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ingest.cli.local.nats_server import nats_binary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ingest.shared.broker.permissions import User

ACK_WAIT_S = 2.0  # of the broker of all tests


@contextmanager
def nats_with(folder: Path, configuration: str) -> Iterator[str]:
    """Run a nats-server with this text in its configuration, and provide its address."""
    listen = f'listen: "127.0.0.1:-1"\nports_file_dir: "{folder}"\njetstream {{ store_dir: "{folder}" }}\n'
    (folder / "nats.conf").write_text(listen + configuration)
    with subprocess.Popen([nats_binary(), "-c", str(folder / "nats.conf")], stderr=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + 20
            while not (found := list(folder.glob("*.ports"))) or not found[0].read_text().strip():
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield str(json.loads(found[0].read_text())["nats"][0])
        finally:
            server.send_signal(signal.SIGTERM)


def quoted(passwords: dict[User, str]) -> dict[User, str]:
    """Return passwords as texts of a server's configuration."""
    return {user: json.dumps(password) for user, password in passwords.items()}
