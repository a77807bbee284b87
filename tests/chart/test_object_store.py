"""The volume in an object store: no claim, no shared folder, and pods that reach the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ingest.shared.pipeline import Service
from tests.chart.test_network import policies
from tests.support.rendered import named

if TYPE_CHECKING:
    from tests.support.rendered import Manifest, Render

URL = "s3://archive/ingest"
STORE = {"url": URL, "endpoint": "https://s3.example.org:9000", "region": "eu-1", "existingSecret": "store"}
VALUES: dict[str, Any] = {"volume": {"mode": "objectStore", "objectStore": STORE}, "models": {"download": False}}
PORTS = [{"port": 9000}]


def pods(found: list[Manifest]) -> list[Manifest]:
    """Return the pods of Deployments, Jobs and CronJobs that have the volume."""
    specs = [item["spec"] for item in found if item["kind"] in {"Deployment", "Job", "CronJob"}]
    specs = [spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec for spec in specs]
    made = [spec["template"]["spec"] for spec in specs]
    return [pod for pod in made if any(volume["name"] == "data" for volume in pod["volumes"])]


def test_no_claim_is_shared(render: Render) -> None:
    found = named(render(VALUES), "ingest-")
    claims = [item["metadata"]["name"] for item in found if item["kind"] == "PersistentVolumeClaim"]
    assert claims == []
    assert len(pods(found)) > len(Service)
    for pod in pods(found):
        (data,) = [volume for volume in pod["volumes"] if volume["name"] == "data"]
        assert data["emptyDir"] == {"sizeLimit": "50Gi"}


def test_every_pod_with_the_volume_knows_the_bucket_and_its_keys(render: Render) -> None:
    for pod in pods(named(render(VALUES), "ingest-")):
        (container,) = pod["containers"]
        given = {item["name"]: item for item in container["env"]}
        assert given["INGEST_VOLUME_URL"]["value"] == URL
        assert given["INGEST_VOLUME_ENDPOINT"]["value"] == STORE["endpoint"]
        keys = [given[f"INGEST_VOLUME_{name}_KEY"]["valueFrom"]["secretKeyRef"] for name in ("ACCESS", "SECRET")]
        assert keys == [{"name": "store", "key": "access-key"}, {"name": "store", "key": "secret-key"}]
        (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "data"]
        assert not mount.get("readOnly")


def test_without_a_secret_no_pod_has_keys(render: Render) -> None:
    values = {**VALUES, "volume": {"mode": "objectStore", "objectStore": {"url": URL}}}
    for pod in pods(named(render(values), "ingest-")):
        assert not [item for item in pod["containers"][0]["env"] if item["name"].endswith("_KEY")]


@pytest.mark.parametrize("component", ["downloader", "asr", "embedder", "archive", "commands"])
def test_the_pods_reach_the_store_and_without_one_nothing_more(render: Render, component: str) -> None:
    peers = [{"ipBlock": {"cidr": "192.0.2.7/32"}}]
    values = {**VALUES, "networkPolicy": {"externalServers": peers}}
    before = policies(render)[component]["egress"]
    assert policies(render, values)[component]["egress"] == [*before, {"ports": PORTS, "to": peers}]


def test_a_store_of_aws_is_reached_by_https(render: Render) -> None:
    values = {**VALUES, "volume": {"mode": "objectStore", "objectStore": {"url": URL}}}
    assert policies(render, values)["asr"]["egress"][-1] == {"ports": [{"port": 443}]}
