"""A Prometheus on this machine that scrapes the services of the local mode and evaluates the alerts."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

RULES = Path(__file__).parents[1] / "charts" / "alerts" / "ingest.rules.yaml"
START_LIMIT_S = 30.0
STOP_LIMIT_S = 20.0
ANSWER_LIMIT_S = 30.0


class QueryError(Exception):
    """Prometheus refuses an expression, for this reason."""


class StartError(Exception):
    """Prometheus does not start, for this reason."""


class Prometheus:
    """Runs Prometheus in a folder for the `with` block; `targets` are the metrics ports of the services by name."""

    def __init__(
        self, program: str, folder: Path, port: int, targets: Mapping[str, int], *, scrape_every: str = "5s"
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._targets = targets
        self._scrape_every = scrape_every
        self._command = [
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]

    def __enter__(self) -> Self:
        """Start Prometheus and wait until it is ready; raise StartError if it does not get ready."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(self._configuration(), sort_keys=False))
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603 (ours)
        deadline = time.monotonic() + START_LIMIT_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                last = (self._folder / "prometheus.log").read_text().strip().splitlines()[-1:]
                raise StartError("Prometheus does not start: " + "".join(last))
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop Prometheus."""
        self._process.terminate()
        self._process.wait(STOP_LIMIT_S)

    def over(self, expr: str, start: float, end: float, step_s: float) -> list[dict[str, Any]]:
        """Return the series of an expression over a time range; raise QueryError if it is refused."""
        parts = {"query": expr, "start": start, "end": end, "step": step_s}
        found: list[dict[str, Any]] = self._ask("query_range", parts)["result"]
        return found

    def now(self, expr: str) -> list[dict[str, Any]]:
        """Return the present samples of an expression; raise QueryError if it is refused."""
        found: list[dict[str, Any]] = self._ask("query", {"query": expr})["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Return the alerts as Prometheus has read and evaluated them."""
        return [rule for group in self._ask("rules", {})["groups"] for rule in group["rules"]]

    def _configuration(self) -> dict[str, Any]:
        return {
            "global": {"scrape_interval": self._scrape_every, "evaluation_interval": self._scrape_every},
            "rule_files": [str(RULES)],
            "scrape_configs": [
                {
                    "job_name": f"ingest-{name}",
                    "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
                }
                for name, port in self._targets.items()
            ],
        }

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1):  # noqa: S310 (our own server)
                return True
        except OSError:
            return False

    def _ask(self, what: str, parts: Mapping[str, object]) -> dict[str, Any]:
        url = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parts)}"
        try:
            with urllib.request.urlopen(url, timeout=ANSWER_LIMIT_S) as answer:  # noqa: S310 (our own server)
                content: dict[str, Any] = json.load(answer)["data"]
                return content
        except urllib.error.HTTPError as error:
            raise QueryError(error.read().decode()) from error
