"""Keeps the local mode running: the services (the same programs as on a cluster) and the embedded servers.

A service that ends is started again after a pause that doubles; one that ends at once several times (a wrong setting, a
missing model) ends the run, with the last lines of its log, unless it says that its trouble passes. Children are
started and started again by the main thread: the kernel ties a child's fate to the thread that made it.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ingest.cli.local import processes
from ingest.shared.errors import RULES, Code, ConfigurationError
from ingest.shared.pipeline import Service
from ingest.shared.worker.service import EXIT_CONFIGURATION, EXIT_PASSING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
QUICK_END_S = 5.0
MOST_QUICK_ENDS = 5
LOG_LINES = 3
METRICS_PORT = "INGEST_METRICS_PORT"


def metrics_ports(first: int) -> dict[str, int]:
    """Return where each service shows its metrics: the configured port, and those after it."""
    return {name: first + number for number, name in enumerate(Service)}


@dataclass
class _Service:
    name: str
    process: subprocess.Popen[bytes]
    started_at: float
    quick_ends: int = 0
    restart_at: float | None = None
    restarts: int = field(default=0)


class Server(Protocol):
    """A server that was started elsewhere and can be started again, at its address."""

    name: str
    process: subprocess.Popen[bytes]

    def restart(self) -> None:
        """Start the server again."""


class Supervisor:
    """Runs the three services with a given environment, their logs in a folder, and keeps `servers` running."""

    def __init__(
        self, environment: Mapping[str, str], logs: Path, keep_open: tuple[int, ...], servers: Sequence[Server]
    ) -> None:
        self._servers = servers
        self._environment = dict(environment)
        self._logs = logs
        self._keep_open = keep_open
        self._services: list[_Service] = []

    def start(self) -> None:
        """Start all services."""
        self._logs.mkdir(parents=True, exist_ok=True)
        self._services = [_Service(name, self._spawn(name), time.monotonic()) for name in Service]

    def _spawn(self, name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", f"ingest.{name}"]  # -P: no module from the current folder
        environment = {**self._environment, "INGEST_WORKER_NAME": f"local-{name}", "INGEST_LOG_FORMAT": "json"}
        port = int(environment.get(METRICS_PORT, 0))
        if port:
            environment[METRICS_PORT] = str(metrics_ports(port)[name])
        log = self.log_of(name)
        return processes.start(command, log, signal.SIGKILL, self._keep_open, environment=environment)

    def log_of(self, name: str) -> Path:
        """Return where a service writes its log."""
        return self._logs / f"{name}.log"

    def watch(self) -> list[str]:
        """Start again what has ended (call this often); return news. Raise ConfigurationError when it is of no use."""
        news = []
        for server in self._servers:
            status = server.process.poll()
            if status is not None:
                server.restart()
                news.append(f"{server.name} had ended ({_status(status)}) and runs again")
        now = time.monotonic()
        for service in self._services:
            status = service.process.poll()
            if status is None:
                continue
            if service.restart_at is None:
                self._judge(service, status, now)
                why = f": {last_words(self.log_of(service.name))}" if status == EXIT_PASSING else ""
                news.append(f"{service.name} ended ({_status(status)}{why}); starting it again")
            elif now >= service.restart_at:
                service.process = self._spawn(service.name)
                service.started_at, service.restart_at = now, None
                service.restarts += 1
        return news

    def _judge(self, service: _Service, status: int, now: float) -> None:
        quick = now - service.started_at < QUICK_END_S
        service.quick_ends = service.quick_ends + 1 if quick else 0
        pause_s = pause_after(status, service.quick_ends)
        if pause_s is None:
            raise ConfigurationError(
                f"the {service.name} service cannot run ({_status(status)}): {last_words(self.log_of(service.name))}"
            )
        service.restart_at = now + pause_s

    @property
    def restarts(self) -> int:
        """Return how often services had to be started again."""
        return sum(service.restarts for service in self._services)

    def stop(self, grace_s: float) -> None:
        """Let all services finish what they have in hand within the grace period."""
        for service in self._services:
            if service.process.poll() is None:
                service.process.send_signal(signal.SIGTERM)
        for service in self._services:
            processes.stop(service.process, signal.SIGTERM, grace_s + QUICK_END_S)
        self._services = []


def pause_after(status: int, quick_ends: int) -> float | None:
    """Return for how long a service rests that has ended, so often in a row at once; None when a start is of no use."""
    if status == EXIT_CONFIGURATION or (quick_ends >= MOST_QUICK_ENDS and status != EXIT_PASSING):
        return None
    return FIRST_PAUSE_S * 2**quick_ends if quick_ends <= MOST_QUICK_ENDS else LONGEST_PAUSE_S


def last_words(log: Path) -> str:
    """Return why a service has ended: the last error of its log with what to do, or the log's last lines."""
    lines = log.read_text(errors="replace").strip().splitlines()
    for line in reversed(lines):
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if content.get("level") == "error":
            code = content.get("code")
            advice = f"; {RULES[Code(code)].advice}" if code in Code.__members__ else ""
            return f"{content.get('error', content.get('event'))}{advice} (log: {log})"
    return "\n".join([f"(log: {log})", *lines[-LOG_LINES:]])


def _status(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
