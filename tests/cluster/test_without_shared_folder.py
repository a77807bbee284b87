"""On two nodes that share nothing, in a cluster without a class for ReadWriteMany: files on NATS, or in a store."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING

import pytest

from ingest.shared.pipeline import Service
from tests.cluster import s3_pod
from tests.cluster.conftest import ROOT, SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.conftest import Cluster, JsonObject, TwoNodes

ON_NATS = ROOT / "k8s" / "kind" / "jetstream.yaml"


@pytest.mark.parametrize("mode", ["jetstream", "objectStore"])
def test_two_nodes_that_share_nothing_share_the_work(two_nodes: TwoNodes, tmp_path: Path, mode: str) -> None:
    cluster = two_nodes.cluster
    values = ON_NATS if mode == "jetstream" else store_values(cluster, tmp_path)
    two_nodes.install("--values", str(values), "--set", "archive.enabled=true")
    claims = cluster.get("persistentvolumeclaims")["items"]
    assert {mode for claim in claims for mode in claim["spec"]["accessModes"]} == {"ReadWriteOnce"}
    assert all(not shared(pod) for component in Service for pod in cluster.pods(component))

    cluster.submit()
    victim = cluster.pods("asr")[0]["metadata"]["name"]
    cluster.kubectl("delete", "pod", victim, "--grace-period=0", "--force")
    cluster.until(cluster.all_indexed, "all recordings")
    start_again(cluster, mode)
    assert "a search finds it" in cluster.helm("test", "ingest", "--logs", "--timeout", "5m")

    said = cluster.kubectl("exec", "deploy/ingest-embedder", "--", "ingest", "doctor", "--json", ok=False)
    assert "put, conditional put, get, list and delete work" in said
    with cluster.forwarded("ingest-archive", 80) as port:
        recordings = answer(port, "/api/v1/recordings")
        found = json.loads(recordings)["recordings"]
        assert len(found) >= SAMPLES
        audio = answer(port, f"/api/v1/recordings/{found[0]['id']}/audio")
    assert audio.startswith(b"OggS")
    if mode == "objectStore":
        with s3_pod.opened(cluster, tmp_path) as home:
            kept = {entry.name for entry in home.list("videos/")}
        assert sum(name.endswith("/transcript.json") for name in kept) == len(found)


def store_values(cluster: Cluster, folder: Path) -> Path:
    """Start an S3 server in the cluster; return the values of a release that uses it."""
    s3_pod.install(cluster, folder)
    values = folder / "store-values.json"
    values.write_text(json.dumps(s3_pod.values()))
    return values


def start_again(cluster: Cluster, mode: str) -> None:
    """End the server that has the files, and wait until it works again."""
    if mode == "objectStore":
        s3_pod.restart(cluster)
        return
    cluster.kubectl("delete", "pod", "ingest-nats-0", "--wait")
    cluster.kubectl("rollout", "status", "statefulset/ingest-nats", "--timeout=240s")


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
