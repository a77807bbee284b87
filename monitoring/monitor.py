"""`make monitor`: the demonstration with Prometheus, and with Grafana if it is installed.

python -m monitoring.monitor                      the demonstration; then keep running until Ctrl-C
python -m monitoring.monitor run SOURCE...        any command of `ingest` instead
python -m monitoring.monitor --pictures docs      draw the dashboards from the run, and exit
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from ingest.cli.local.supervisor import metrics_ports
from monitoring.dashboards import FOLDER
from monitoring.prometheus import Prometheus, StartError
from monitoring.render import Window, pictures

PROMETHEUS_PORT = 9091  # Debian's own Prometheus has 9090
GRAFANA_PORT = 3000
FIRST_METRICS_PORT = 9464
GRAFANA_FILES = Path(__file__).with_name("grafana")
GRAFANA_HOME = "/usr/share/grafana"  # of its packages


def main() -> int:
    """Run a command of `ingest` under Prometheus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--pictures", type=Path, metavar="FOLDER", help="draw the dashboards into this folder, and exit"
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, help="a command of `ingest` (default: demo)")
    chosen = parser.parse_args()
    program = shutil.which("prometheus")
    if program is None:
        print("Prometheus is not installed; on Debian: apt-get install prometheus", file=sys.stderr)
        return 1
    environment = {"INGEST_METRICS_PORT": str(FIRST_METRICS_PORT), **os.environ}
    if not Path("/dev/nvidiactl").exists():
        environment.setdefault("INGEST_GPU_METRICS", "simulated")
    ports = metrics_ports(int(environment["INGEST_METRICS_PORT"]))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        prometheus = Prometheus(program, Path(folder) / "prometheus", PROMETHEUS_PORT, ports, scrape_every="1s")
        try:
            running.enter_context(prometheus)
        except StartError as error:
            print(error, file=sys.stderr)
            return 1
        print(f"Prometheus: {prometheus.url}")
        if not chosen.pictures:
            _start_grafana(running, prometheus.url, Path(folder))
        began = time.time()
        command = [sys.executable, "-P", "-m", "ingest.cli.app", *(chosen.command or ["demo"])]
        status = subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 (our own command line)
        if chosen.pictures:
            for path in pictures(prometheus, Window(began, time.time()), chosen.pictures):
                print(path)
        else:
            print("The run has ended. Prometheus keeps running; Ctrl-C stops it.")
            with suppress(KeyboardInterrupt):
                signal.pause()
    return status


def _start_grafana(running: ExitStack, prometheus_url: str, folder: Path) -> None:
    program = shutil.which("grafana-server")
    if program is None:
        print("Grafana is not installed: import charts/dashboards/*.json into a Grafana with this Prometheus as source")
        return
    environment = {
        **os.environ,
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(GRAFANA_PORT),
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_PATHS_DATA": str(folder / "grafana"),
        "GF_PATHS_LOGS": str(folder / "grafana"),
        "GF_PATHS_PROVISIONING": str(GRAFANA_FILES),
        "INGEST_PROMETHEUS": prometheus_url,
        "INGEST_DASHBOARDS": str(FOLDER),
    }
    command = [program, "--homepath", GRAFANA_HOME]
    grafana = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 (found on PATH)
    running.callback(grafana.wait)
    running.callback(grafana.terminate)
    print(f"Grafana: http://127.0.0.1:{GRAFANA_PORT}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
