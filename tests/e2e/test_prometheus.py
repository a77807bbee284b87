"""The instruments work together: a real Prometheus reads a run of the pipeline and answers what the dashboards ask."""

from __future__ import annotations

import functools
import http.server
import re
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from ingest.cli.local.supervisor import metrics_ports
from ingest.demo import VOICE_MODEL
from ingest.shared.pipeline import Service
from monitoring.expressions import fill, panel_queries
from monitoring.panels import RANGE, growth
from monitoring.prometheus import RULES, Prometheus
from monitoring.render import Window, pictures
from tests.support.http_servers import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.conftest import Ingest, Podcast

LIMIT_S = 240
SOME_FAILED = 3
RATE_INTERVAL = "20s"
SKIPPED = fill(growth("ingest_messages_total", over=RANGE, outcome="skipped"), RATE_INTERVAL, "5m")
# panels that this run may give nothing to show
EMPTY = {
    "Deferred": "no premiere and no live stream among the sources",
    "Multiprocessors in use": "only NVIDIA's dcgm-exporter exports it, for a data-centre card",
    "Postponed, by code": "nothing is held back: no rate limit, no full disk, no database away",
    "Pause by a site's limit": "no site blocks our requests",
    "Doubtful segments": "whether something looks invented is up to the model",
}


@dataclass
class Run:
    """A Prometheus that has seen a whole run, from `began` to `ended`, and the last metrics page of each service."""

    prometheus: Prometheus
    promtool: str
    began: float
    ended: float = 0.0
    pages: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    """Three free ports in a row, for the services."""
    while True:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            first = one.getsockname()[1]
        try:
            with socket.socket() as second, socket.socket() as third:
                second.bind(("127.0.0.1", first + 1))
                third.bind(("127.0.0.1", first + 2))
        except (OSError, OverflowError):
            continue
        return metrics_ports(first)


@pytest.fixture
def misfortunes(tmp_path: Path) -> Iterator[list[str]]:
    """Addresses of a file that is not there and of one that holds no audio."""
    folder = tmp_path / "misfortunes"
    folder.mkdir()
    (folder / "broken.mp3").write_text("no audio in here\n" * 1000)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with serving(server):
        yield [f"http://127.0.0.1:{server.server_port}/{name}" for name in ("missing.mp3", "broken.mp3")]


@pytest.fixture
def run(
    ingest: Ingest,
    podcast: Podcast,
    misfortunes: list[str],
    ports: dict[str, int],
    program: Callable[[str, str], str],
    tmp_path: Path,
) -> Iterator[Run]:
    """A run of the whole pipeline under Prometheus, with a simulated card."""
    binary, promtool = program("prometheus", "prometheus"), program("promtool", "prometheus")
    ingest.environment |= {"INGEST_METRICS_PORT": str(ports["downloader"]), "INGEST_GPU_METRICS": "simulated"}
    ingest.environment |= {"INGEST_DIARIZATION_MODEL": str(VOICE_MODEL)}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Prometheus(binary, tmp_path / "prometheus", port, ports, scrape_every="1s") as prometheus:
        seen = Run(prometheus, promtool, time.time())
        process = ingest.start("run", podcast.url, *misfortunes, "--json")
        while process.poll() is None:
            assert time.time() - seen.began < LIMIT_S, ingest.logs()
            seen.pages |= pages(ports)
            time.sleep(0.5)
        out, err = process.communicate()
        assert process.returncode == SOME_FAILED, out + err + ingest.logs()
        seen.ended = time.time()
        yield seen


def pages(ports: dict[str, int]) -> dict[str, str]:
    """Return the metrics page of each service that answers."""
    found = {}
    for name, port in ports.items():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                found[name] = answer.read().decode()
        except OSError:
            continue
    return found


def complaints(promtool: str, page: str) -> list[str]:
    """Return what promtool does not like about a metrics page, apart from dcgm-exporter's label `modelName`."""
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    named_by_nvidia = re.compile(r"DCGM_FI_\w+ label names should be written in 'snake_case' not 'camelCase'")
    return [line for line in (done.stdout + done.stderr).splitlines() if not named_by_nvidia.fullmatch(line)]


@pytest.mark.long
def test_every_panel_and_every_alert_is_answered_from_a_real_run(run: Run, tmp_path: Path) -> None:
    assert set(run.pages) == set(Service)
    assert {complaint for page in run.pages.values() for complaint in complaints(run.promtool, page)} == set()

    for page in run.pages.values():  # the services that still run export that a stage has no worker
        assert set(re.findall(r'ingest_consumer_lag\{consumer="(\w+)"', page)) >= {
            "check",
            "download",
            "asr",
            "embedder",
        }

    with_data: dict[str, bool] = {}
    for one in panel_queries(RATE_INTERVAL, "5m"):
        series = run.prometheus.over(one.expr, run.began, run.ended, 1.0)
        panel = f"{one.board}: {one.panel}"
        with_data[panel] = with_data.get(panel, False) or bool(series)
    empty = {panel.partition(": ")[2] for panel, has_data in with_data.items() if not has_data}
    assert empty <= set(EMPTY)
    assert set(EMPTY) <= {panel.partition(": ")[2] for panel in with_data}

    drawn = pictures(run.prometheus, Window(run.began, run.ended), tmp_path)
    assert [path.name for path in drawn] == [f"dashboard-{name}.png" for name in ("pipeline", "gpu", "videos")]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)

    skipped = run.prometheus.over(SKIPPED, run.began, run.ended, 1.0)
    assert skipped[0]["values"][-1][1] == "1"  # a single event counts, though its series begins with it

    rules = run.prometheus.rules()
    assert len(rules) == RULES.read_text().count("- alert:")
    assert [(rule["name"], rule["health"], rule.get("lastError")) for rule in rules] == [
        (rule["name"], "ok", None) for rule in rules
    ]
    for rule in rules:
        run.prometheus.now(rule["query"])
