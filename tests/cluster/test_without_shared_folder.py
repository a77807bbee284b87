"""On two nodes that share nothing, in a cluster without a class for ReadWriteMany, the files are on NATS."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING

from tests.cluster.conftest import ROOT, SAMPLES, missing
from tests.cluster.test_nodes import WORKERS, spread

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.conftest import Cluster, JsonObject

MORE = str(ROOT / "k8s" / "kind" / "jetstream.yaml")


def test_two_nodes_that_share_nothing_share_the_work(empty: Cluster, tmp_path: Path) -> None:
    cluster = empty
    nodes = {node["metadata"]["name"] for node in cluster.get("nodes")["items"]}
    if len(nodes) == 1:
        missing("needs a second node: make kind-up KIND_CONFIG=k8s/kind/two-nodes.yaml")
    values = tmp_path / "values.json"
    values.write_text(json.dumps({component: spread(component) for component in WORKERS}))
    cluster.install("--values", MORE, "--values", str(values), "--set", "archive.enabled=true")
    claims = cluster.get("persistentvolumeclaims")["items"]
    assert {mode for claim in claims for mode in claim["spec"]["accessModes"]} == {"ReadWriteOnce"}
    for component in WORKERS:
        assert {pod["spec"]["nodeName"] for pod in cluster.pods(component)} == nodes
        assert all(not shared(pod) for pod in cluster.pods(component))

    cluster.submit()
    victim = cluster.pods("asr")[0]["metadata"]["name"]
    cluster.kubectl("delete", "pod", victim, "--grace-period=0", "--force")
    cluster.until(cluster.all_indexed, "all recordings")
    cluster.kubectl("delete", "pod", "ingest-nats-0", "--wait")
    cluster.kubectl("rollout", "status", "statefulset/ingest-nats", "--timeout=240s")
    cluster.submit()
    cluster.until(cluster.all_indexed, "all recordings, after NATS was started again")

    said = cluster.kubectl("exec", "deploy/ingest-embedder", "--", "ingest", "doctor", "--json", ok=False)
    assert "put, conditional put, get, list and delete work" in said
    with cluster.forwarded("ingest-archive", 80) as port:
        recordings = answer(port, "/api/v1/recordings")
        found = json.loads(recordings)["recordings"]
        assert len(found) == SAMPLES
        audio = answer(port, f"/api/v1/recordings/{found[0]['id']}/audio")
    assert audio.startswith(b"OggS")


def shared(pod: JsonObject) -> list[JsonObject]:
    """Return the volumes of a pod that other pods can have, too."""
    return [volume for volume in pod["spec"]["volumes"] if {"persistentVolumeClaim", "hostPath", "nfs"} & set(volume)]


def answer(port: int, path: str) -> bytes:
    server = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    server.request("GET", path)
    found = server.getresponse()
    content = found.read()
    assert found.status == 200, content
    server.close()
    return content
