"""A service can be ended while it is still starting, and when its broker has gone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from services.cli.embedded import NATS_USER, EmbeddedNats

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


def test_a_service_whose_broker_has_gone_ends_well(tmp_path: Path) -> None:
    nats = EmbeddedNats(tmp_path / "nats")
    settings = {
        "INGEST_NATS_URL": nats.url,
        "INGEST_NATS_USER": NATS_USER,
        "INGEST_NATS_PASSWORD": nats.password,
        "INGEST_VOLUME_PATH": str(tmp_path / "volume"),
    }
    command = [sys.executable, "-m", "services.downloader"]
    with subprocess.Popen(command, env={**os.environ, **settings}, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        assert any('"ready"' in line for line in service.stderr)
        nats.process.kill()
        nats.process.wait()
        assert any("bus_error" in line for line in service.stderr)
        time.sleep(2)  # it has tried to come back, in vain
        service.send_signal(signal.SIGTERM)
        _, told = service.communicate(timeout=30)
    assert "Traceback" not in told
    assert '"stopped"' in told
    assert service.returncode == 0
