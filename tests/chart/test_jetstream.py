"""The volume on NATS: no claim but those of the servers, space that fits, and pods that reach it by their own users."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from helm_python import HelmRenderError

from ingest.shared.broker.topology import CHANGE_BYTES, FILES_BUCKET
from ingest.shared.pipeline import Service
from ingest.shared.settings import Settings
from k8s.manifest import CHART
from tests.chart.test_network import policies
from tests.chart.test_object_store import pods
from tests.support.rendered import VALUES as DEFAULTS
from tests.support.rendered import containers, deployment, environment, named
from tests.support.rendered import pods as all_pods

if TYPE_CHECKING:
    from tests.support.rendered import Manifest, Render

VALUES: dict[str, Any] = {"volume": {"mode": "jetstream"}, "models": {"download": False}}
UNITS = {"GB": 10**9, "Gi": 1 << 30}
QUEUES = 4


def bytes_of(quantity: str) -> int:
    found = re.fullmatch(r"(\d+)(GB|Gi)", quantity)
    assert found is not None
    return int(found[1]) * UNITS[found[2]]


def one(found: list[Manifest], kind: str, name: str) -> Manifest:
    (item,) = [item for item in found if item["kind"] == kind and item["metadata"]["name"] == name]
    return item


def test_there_is_no_claim_but_those_of_nats_and_postgres(render: Render) -> None:
    found = named(render(VALUES), "ingest-")
    assert [item for item in found if item["kind"] == "PersistentVolumeClaim"] == []
    claims = [claim for item in found for claim in item.get("spec", {}).get("volumeClaimTemplates", [])]
    assert [claim["spec"]["accessModes"] for claim in claims] == [["ReadWriteOnce"]] * 2
    assert len(pods(found)) > len(Service)
    for pod in pods(found):
        (data,) = [volume for volume in pod["volumes"] if volume["name"] == "data"]
        assert data["emptyDir"] == {"sizeLimit": "50Gi"}


def test_the_claim_holds_the_files_and_the_queues(render: Render) -> None:
    found = named(render(VALUES), "ingest-")
    claim = one(found, "StatefulSet", "ingest-nats")["spec"]["volumeClaimTemplates"][0]
    size = bytes_of(claim["spec"]["resources"]["requests"]["storage"])
    configuration = one(found, "ConfigMap", "ingest-nats")["data"]["nats.conf"]
    limit = bytes_of(re.findall(r"max_file_store: (\w+)", configuration)[0])
    files = DEFAULTS["volume"]["jetstream"]["bytes"]
    assert files + QUEUES * Settings.model_fields["queue_bytes"].default + CHANGE_BYTES <= limit < size
    other = named(render(), "ingest-")
    usual = one(other, "StatefulSet", "ingest-nats")["spec"]["volumeClaimTemplates"][0]["spec"]
    assert usual["resources"]["requests"]["storage"] == DEFAULTS["nats"]["storage"]["size"]


def test_every_pod_with_the_volume_knows_the_bucket_and_its_space(render: Render) -> None:
    found = named(render(VALUES), "ingest-")
    migrate = [container for pod in pods(found) for container in containers(pod) if container["name"] == "migrate"]
    assert migrate
    for container in [*migrate, *(pod["containers"][0] for pod in pods(found))]:
        settings = environment(container)
        assert settings["INGEST_VOLUME_URL"] == f"nats://{FILES_BUCKET}"
        assert settings["INGEST_VOLUME_BYTES"] == "180000000000"
        assert settings["INGEST_NATS_USER"]
    downloader = deployment(found, "downloader")["spec"]["template"]["spec"]["containers"][0]
    assert environment(downloader)["INGEST_DISK_BUDGET_BYTES"] == "180000000000"


def test_the_page_reads_files_from_nats_by_its_own_user(render: Render) -> None:
    pod = deployment(render(VALUES), "archive")["spec"]["template"]["spec"]
    (passwords,) = [volume for volume in pod["volumes"] if volume["name"] == "passwords"]
    keys = [item["key"] for source in passwords["projected"]["sources"] for item in source["secret"]["items"]]
    assert keys == ["postgres-reader", "nats-archive"]
    assert environment(pod["containers"][0])["INGEST_NATS_USER"] == "archive"
    before, after = policies(render), policies(render, VALUES)
    (nats,) = [rule for rule in after["archive"]["egress"] if rule not in before["archive"]["egress"]]
    assert nats["ports"] == [{"port": 4222}]
    peers = [peer["podSelector"]["matchLabels"] for peer in after["nats"]["ingress"][0]["from"]]
    assert "archive" in {labels.get("app.kubernetes.io/component") for labels in peers}
    for component in Service:
        assert after[component]["egress"] == before[component]["egress"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({"volume": {"mode": "jetstream", "hostPath": "/x"}}, "volume.mode=shared", id="a folder as well"),
        pytest.param({"volume": {"mode": "jetstream"}}, "models.download=false", id="models that need a shared claim"),
        pytest.param({**VALUES, "settings": {"volume_bytes": 1}}, "volume.jetstream.bytes", id="space as a setting"),
    ],
)
def test_what_does_not_fit_is_refused(render: Render, values: dict[str, Any], words: str) -> None:
    with pytest.raises(HelmRenderError, match=words):
        render(values)


def test_the_values_for_a_cluster_on_this_machine_share_no_folder(render: Render) -> None:
    kind = CHART.parent / "k8s" / "kind"
    first, more = (yaml.safe_load((kind / name).read_text()) for name in ("values.yaml", "jetstream.yaml"))
    found = named(render({**first, **more, "volume": {**first["volume"], **more["volume"]}}), "ingest-")
    assert [item for item in found if item["kind"] in {"PersistentVolume", "PersistentVolumeClaim"}] == []
    assert all("hostPath" not in volume for _, pod in all_pods(found) for volume in pod.get("volumes", []))
    files = more["volume"]["jetstream"]
    queues = QUEUES * Settings.model_fields["queue_bytes"].default + CHANGE_BYTES
    assert files["bytes"] + queues <= bytes_of(files["storage"]["maxBytes"]) < bytes_of(files["storage"]["size"])


def test_a_class_for_the_models_is_enough_to_download_them(render: Render) -> None:
    found = named(render({**VALUES, "models": {"storageClass": "nfs"}}), "ingest-")
    claim = one(found, "PersistentVolumeClaim", "ingest-models")
    assert claim["spec"]["storageClassName"] == "nfs"


@pytest.mark.parametrize("mode", ["jetstream", "objectStore"])
def test_without_a_shared_folder_the_self_test_takes_a_recording_of_the_images(render: Render, mode: str) -> None:
    store = {"objectStore": {"url": "s3://bucket"}} if mode == "objectStore" else {}
    found = render({**VALUES, "volume": {"mode": mode, **store}})
    (pod,) = named(found, "ingest-selftest")
    for spec in (pod["spec"], deployment(found, "downloader")["spec"]["template"]["spec"]):
        assert environment(containers(spec)[0])["INGEST_FILE_ROOTS"] == "/opt/samples"
