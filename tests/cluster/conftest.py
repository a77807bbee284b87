"""A real cluster: the one whose kubeconfig context CLUSTER_TESTS names, with the images of `make images` loaded.

The tests make and remove namespaces of their own; they want a cluster that may be broken, as that of `make kind-up`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import yaml

from ingest.demo import episodes
from ingest.shared.pipeline import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
KUBECONFIG = os.environ.get("KUBECONFIG", str(Path.home() / ".kube" / "config"))
VALUES = ROOT / "k8s" / "kind" / "values.yaml"
TOKEN_SECRET, TOKEN = "page", "s3cret"  # of the release for all tests
FEED = "http://ingest-demo/feed.xml"
SAMPLES = len(episodes())
VERSION = yaml.safe_load((ROOT / "charts" / "Chart.yaml").read_text())["appVersion"]

JsonObject = dict[str, Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.path).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(900))  # pods start, models load


@dataclass(frozen=True)
class Cluster:
    """The programs of a user: kubectl, helm and ingest."""

    namespace: str
    helm_program: str = "helm"
    always: tuple[str, ...] = ()  # options of each installation
    began: float = field(default_factory=time.monotonic)

    def command(self, *words: str, ok: bool = True, limit_s: float = 600) -> str:
        environment = {**os.environ, "KUBECONFIG": KUBECONFIG}
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=limit_s, env=environment)
        assert done.returncode == 0 or not ok, f"{' '.join(words)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout + done.stderr

    def kubectl(self, *words: str, ok: bool = True) -> str:
        return self.command("kubectl", "--namespace", self.namespace, *words, ok=ok)

    def helm(self, *words: str, ok: bool = True) -> str:
        return self.command(self.helm_program, *words, "--namespace", self.namespace, ok=ok)

    def ingest(self, *words: str, ok: bool = True) -> str:
        program = (sys.executable, "-m", "ingest.cli.app")
        return self.command(*program, *words, "--k8s", "--namespace", self.namespace, ok=ok)

    def install(self, *more: str, wait: bool = True) -> str:
        waiting = ("--wait", "--timeout", "8m") if wait else ()
        values = ("--values", str(VALUES))
        return self.helm(
            "upgrade",
            "--install",
            "--create-namespace",
            "ingest",
            str(ROOT / "charts"),
            *values,
            *self.always,
            *waiting,
            *more,
        )

    def get(self, *words: str) -> JsonObject:
        found: JsonObject = json.loads(self.kubectl("get", *words, "--output", "json"))
        return found

    def pods(self, component: str) -> list[JsonObject]:
        pods: list[JsonObject] = self.get("pods", "--selector", f"app.kubernetes.io/component={component}")["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def sql(self, query: str) -> str:
        words = ("psql", "-h", "127.0.0.1", "-U", "ingest_owner", "-d", "ingest", "-Atc", query)
        return self.kubectl("exec", "ingest-postgres-0", "--", *words).strip()

    def until(self, condition: Callable[[], bool], what: str, limit_s: float = 240) -> float:
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < limit_s, f"{what}: not within {limit_s:.0f} s\n{self.state()}"
            time.sleep(1)
        return time.monotonic() - began

    def submit(self) -> None:
        """Submit the recordings of the demonstration again."""
        assert f"{SAMPLES} requested" in self.ingest("submit", FEED, "--force")

    def all_indexed(self) -> bool:
        """Return whether every recording of the feed is indexed in its newest run."""
        where = "state = 'indexed' AND indexed_generation = generation AND source_url LIKE 'http://ingest-demo%'"
        return self.sql(f"SELECT count(*) FROM videos WHERE {where}") == str(SAMPLES)  # noqa: S608 (constants)

    def state(self) -> str:
        return self.kubectl("get", "pods,events", "--output", "wide", ok=False)[-4000:]

    @contextmanager
    def forwarded(self, service: str, port: int) -> Iterator[int]:
        """Give a port of this machine that leads to a service, as `kubectl port-forward` does."""
        words = ("kubectl", "--namespace", self.namespace, "port-forward", f"svc/{service}", f":{port}")
        environment = {**os.environ, "KUBECONFIG": KUBECONFIG}
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as forwarding:
            try:
                assert forwarding.stdout is not None
                line = forwarding.stdout.readline()  # Forwarding from 127.0.0.1:45678 -> 8080; nothing when it fails
                found = re.search(r"127\.0\.0\.1:(\d+)", line)
                assert found, f"{' '.join(words)}: {line}\n{self.state()}"
                yield int(found[1])
            finally:
                forwarding.terminate()

    def remove(self) -> None:
        self.helm("uninstall", "ingest", ok=False)
        # they need not end their work, nothing is lost with them here; a namespace waits far longer for them
        self.kubectl("delete", "pods", "--all", "--grace-period=1", "--timeout=120s", ok=False)
        self.command("kubectl", "delete", "namespace", self.namespace, "--wait", "--ignore-not-found")
        self.command("kubectl", "delete", "persistentvolume", f"ingest-data-{self.namespace}", "--ignore-not-found")


def missing(what: str) -> NoReturn:
    """Skip the test; in CI, which has everything, fail it."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def reachable() -> None:
    context = os.environ.get("CLUSTER_TESTS")
    if not context:
        pytest.skip("needs CLUSTER_TESTS=CONTEXT, a cluster that may be broken: make kind-up images kind-load")
    for program in ("kubectl", "helm"):
        assert shutil.which(program), f"needs {program}"
    Cluster("default").command("kubectl", "config", "use-context", context)


@pytest.fixture(scope="session")
def cluster(reachable: None) -> Iterator[Cluster]:  # noqa: ARG001 (asked for its effect)
    """A release with the miniature models and the demonstration's feed, ready to work, for all tests."""
    found = Cluster("ingest-tests", always=("--set", f"archive.auth.tokenSecret={TOKEN_SECRET}"))
    found.remove()
    found.command("kubectl", "create", "namespace", found.namespace)
    found.kubectl("create", "secret", "generic", TOKEN_SECRET, f"--from-literal=token={TOKEN}")
    found.install()
    yield found
    found.remove()


@pytest.fixture
def empty(reachable: None) -> Iterator[Cluster]:  # noqa: ARG001 (asked for its effect)
    """A namespace in which nothing is installed. Its releases have no page: each start of one loads a model."""
    found = Cluster("ingest-tests-other", always=("--set", "archive.enabled=false"))
    found.remove()
    yield found
    found.remove()


@dataclass(frozen=True)
class TwoNodes:
    """A cluster of two nodes, and values by which two pods of each service are on both."""

    cluster: Cluster
    names: set[str]
    values: Path

    def install(self, *more: str) -> None:
        """Install a release, and see that its pods are on both nodes."""
        self.cluster.install("--values", str(self.values), *more)
        for service in Service:
            assert {pod["spec"]["nodeName"] for pod in self.cluster.pods(service)} == self.names


@pytest.fixture
def two_nodes(empty: Cluster, tmp_path: Path) -> TwoNodes:
    """A namespace in which nothing is installed, in a cluster of two nodes."""
    names = {node["metadata"]["name"] for node in empty.get("nodes")["items"]}
    if len(names) == 1:
        missing("needs a second node: make kind-up KIND_CONFIG=k8s/kind/two-nodes.yaml")
    values = tmp_path / "spread.json"
    values.write_text(json.dumps({service: _spread(service) for service in Service}))
    return TwoNodes(empty, names, values)


def _spread(component: str) -> JsonObject:
    labels = {"app.kubernetes.io/instance": "ingest", "app.kubernetes.io/component": component}
    constraint = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
    return {"replicas": 2, "topologySpreadConstraints": [{**constraint, "labelSelector": {"matchLabels": labels}}]}
