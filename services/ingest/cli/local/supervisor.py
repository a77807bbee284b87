"""Keeps the local mode running: the services, the same programs as on a cluster.

A service that ends is restarted after a pause that doubles. If it ends several times within seconds of its start (a
wrong setting, a missing model), or many times within minutes of it (too little memory), the run ends with the last
error of its log, unless the exit status means a temporary fault. Only the main thread starts children: the kernel ends
a child with the thread that started it.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.cli.local import processes
from ingest.shared.errors import RULES, Code, ConfigurationError
from ingest.shared.pipeline import Service
from ingest.shared.worker.ending import EXIT_CONFIGURATION, EXIT_PASSING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping
    from pathlib import Path

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
QUICK_END_S = 5.0
STOP_MARGIN_S = 10.0  # more than a service takes after its grace period to forget its messages
MOST_QUICK_ENDS = 5
EARLY_END_S = 600.0
MOST_EARLY_ENDS = 60  # in a row: a recording that ends its worker does so three times, and then is a dead letter
LOG_LINES = 3
METRICS_PORT = "INGEST_METRICS_PORT"
METRICS_HOST = "INGEST_METRICS_HOST"
LOOPBACK = "127.0.0.1"


def metrics_ports(first: int) -> dict[str, int]:
    """Return the metrics port of each service: the configured port, and those after it."""
    return {name: first + number for number, name in enumerate(Service)}


@dataclass(frozen=True)
class Ends:
    """How often in a row a service has ended soon after its start: within seconds, and within minutes."""

    quick: int = 0
    early: int = 0

    def after(self, lived_s: float) -> Ends:
        """Return the ends with one more, of a service that has lived for some seconds."""
        return Ends(self.quick + 1 if lived_s < QUICK_END_S else 0, self.early + 1 if lived_s < EARLY_END_S else 0)


@dataclass
class _Service:
    name: str
    process: subprocess.Popen[bytes]
    started_at: float
    ends: Ends = Ends()
    restart_at: float | None = None


def service_environment(common: Mapping[str, str], name: str) -> dict[str, str]:
    """Return the environment of a service: its name, and a port of its own for metrics, on this machine alone."""
    environment = {**common, "INGEST_WORKER_NAME": f"local-{name}", "INGEST_LOG_FORMAT": "json"}
    port = int(environment.get(METRICS_PORT, 0))
    if port:
        environment[METRICS_PORT] = str(metrics_ports(port)[name])
        environment.setdefault(METRICS_HOST, LOOPBACK)
    return environment


class Supervisor:
    """Runs the services in a given environment, and writes their logs to a folder.

    `grace_s` is the time that the services have for their running messages after SIGTERM. `keep_servers` restarts the
    servers when they have ended, and returns a line for it.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        logs: Path,
        keep_open: tuple[int, ...],
        grace_s: float,
        keep_servers: Callable[[], list[str]] | None = None,
    ) -> None:
        self._keep_servers = keep_servers or list
        self._environment = dict(environment)
        self._logs = logs
        self._keep_open = keep_open
        self._stop_limit_s = grace_s + STOP_MARGIN_S
        self._services: list[_Service] = []

    def start(self) -> None:
        """Start all services."""
        self._logs.mkdir(parents=True, exist_ok=True)
        self._services = [_Service(name, self._spawn(name), time.monotonic()) for name in Service]

    def _spawn(self, name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", f"ingest.{name}"]  # -P: no module from the current folder
        environment = service_environment(self._environment, name)
        return processes.start(command, self.log_of(name), signal.SIGKILL, self._keep_open, environment=environment)

    def log_of(self, name: str) -> Path:
        """Return the path of a service's log."""
        return self._logs / f"{name}.log"

    def watch(self) -> list[str]:
        """Restart processes that have ended, and return a line for each. Call this often.

        Raise ConfigurationError for a service that would end again.
        """
        lines = self._keep_servers()
        now = time.monotonic()
        for service in self._services:
            status = service.process.poll()
            if status is None:
                continue
            if service.restart_at is None:
                self._judge(service, status, now)
                why = f": {last_error(self.log_of(service.name))}" if status == EXIT_PASSING else ""
                lines.append(f"{service.name} ended ({_status(status)}{why}); restarting it")
            elif now >= service.restart_at:
                service.process = self._spawn(service.name)
                service.started_at, service.restart_at = now, None
        return lines

    def _judge(self, service: _Service, status: int, now: float) -> None:
        service.ends = service.ends.after(now - service.started_at)
        pause_s = pause_after(status, service.ends)
        if pause_s is None:
            often = service.ends.early >= MOST_EARLY_ENDS
            what = f"ended {MOST_EARLY_ENDS} times soon after its start" if often else "cannot run"
            why = last_error(self.log_of(service.name))
            raise ConfigurationError(f"the {service.name} service {what} ({_status(status)}): {why}")
        service.restart_at = now + pause_s

    def stop(self) -> None:
        """Stop all services at once; kill those that run longer than their grace period."""
        deadline = time.monotonic() + self._stop_limit_s
        for service in self._services:
            if service.process.poll() is None:
                service.process.send_signal(signal.SIGTERM)
        for service in self._services:
            processes.await_end(service.process, max(0.0, deadline - time.monotonic()))
        self._services = []


def pause_after(status: int, ends: Ends) -> float | None:
    """Return the pause before a restart, after these ends; None if the service would end again."""
    is_hopeless = ends.quick >= MOST_QUICK_ENDS or ends.early >= MOST_EARLY_ENDS
    if status == EXIT_CONFIGURATION or (is_hopeless and status != EXIT_PASSING):
        return None
    return FIRST_PAUSE_S * 2**ends.quick if ends.quick <= MOST_QUICK_ENDS else LONGEST_PAUSE_S


def last_error(log: Path) -> str:
    """Return the last error of a service's log with its advice, or the last lines of the log."""
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
