"""On two nodes that share a folder, pods of all three services are on both, and share the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.shared.pipeline import Service

if TYPE_CHECKING:
    from tests.cluster.conftest import TwoNodes


def test_two_nodes_share_the_work(two_nodes: TwoNodes) -> None:
    cluster = two_nodes.cluster
    two_nodes.install()
    for _ in range(3):
        cluster.submit()
        cluster.until(cluster.all_indexed, "all recordings")
    for pod in [pod for component in Service for pod in cluster.pods(component)]:
        assert '"event": "started"' in cluster.kubectl("logs", pod["metadata"]["name"]), pod["metadata"]["name"]
