"""A service that is still starting can be ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def test_a_service_that_waits_for_its_broker_ends_at_once_when_asked_to(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # an address at which nobody answers
        url = f"nats://127.0.0.1:{nobody.getsockname()[1]}"
        environment = {**os.environ, "INGEST_NATS_URL": url, "INGEST_VOLUME_PATH": str(tmp_path)}
        command = [sys.executable, "-m", "services.downloader"]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as service:
            assert service.stderr is not None
            assert "bus_error" in service.stderr.readline()
            began = time.monotonic()
            service.send_signal(signal.SIGTERM)
            assert service.wait(20) == 0
            assert time.monotonic() - began < 5
