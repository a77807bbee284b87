"""On two nodes that share a folder, pods of all three services are on both, and share the work."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ingest.shared.pipeline import Service
from tests.cluster.conftest import missing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.conftest import Cluster

WORKERS = tuple(Service)


def spread(component: str) -> dict[str, Any]:
    """Values by which two pods of a service are on two nodes."""
    labels = {"app.kubernetes.io/instance": "ingest", "app.kubernetes.io/component": component}
    constraint = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
    return {"replicas": 2, "topologySpreadConstraints": [{**constraint, "labelSelector": {"matchLabels": labels}}]}


def test_two_nodes_share_the_work(empty: Cluster, tmp_path: Path) -> None:
    cluster = empty
    nodes = {node["metadata"]["name"] for node in cluster.get("nodes")["items"]}
    if len(nodes) == 1:
        missing("needs a second node: make kind-up KIND_CONFIG=k8s/kind/two-nodes.yaml")
    values = tmp_path / "values.json"
    values.write_text(json.dumps({component: spread(component) for component in WORKERS}))
    cluster.install("--values", str(values))
    for component in WORKERS:
        assert {pod["spec"]["nodeName"] for pod in cluster.pods(component)} == nodes
    for _ in range(3):
        cluster.submit()
        cluster.until(cluster.all_indexed, "all recordings")
    for pod in [pod for component in WORKERS for pod in cluster.pods(component)]:
        assert '"event": "started"' in cluster.kubectl("logs", pod["metadata"]["name"]), pod["metadata"]["name"]
