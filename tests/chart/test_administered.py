"""Clusters as they are administered: users that the cluster chooses, quotas, authorities of a company."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml

from tests.chart.test_chart import CASES
from tests.support.rendered import VALUES, containers, environment, pods

if TYPE_CHECKING:
    from tests.support.rendered import Render

QUOTA = {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}
OF_SERVERS = {"nats", "postgres", "streams", "feed"}  # they reach nothing outside
WITHIN = {"migrate", "wait-for-models"}  # they reach the servers alone
BUNDLE = "/etc/ingest/ca-bundle/ca-bundle.crt"


@pytest.mark.usefixtures("_schemas_are_read_once")
def test_the_proxy_of_the_page_is_used_by_all_that_reach_sites_or_the_hub(render: Render) -> None:
    text = (Path(__file__).parents[2] / "docs" / "kubernetes.md").read_text()
    example = yaml.safe_load(text.partition("### A proxy")[2].partition("```yaml\n")[2].partition("```")[0])
    manifests = render(example | {"sync": {"sources": ["https://example.org/feed.xml"]}})
    proxied = set()
    for name, spec in pods(manifests):
        for container in containers(spec):
            said = environment(container)
            if "HTTPS_PROXY" in said:
                proxied.add(name.partition("-models-")[0])
                assert said["SSL_CERT_FILE"] == BUNDLE
    assert proxied == {"ingest-downloader", "ingest-sync", "ingest-command", "ingest-selftest", "ingest"}
    opened = {
        manifest["metadata"]["name"]
        for manifest in manifests
        if manifest["kind"] == "NetworkPolicy" and "10.0.0.5/32" in str(manifest["spec"])
    }
    assert opened == {"ingest-downloader", "ingest-commands", "ingest-models"}
    for manifest in manifests:
        kubernetes_validate.validate(manifest, "1.29", strict=True)


@pytest.mark.parametrize("values", CASES)
def test_a_cluster_that_chooses_users_is_not_told_any(render: Render, values: dict[str, Any]) -> None:
    found = list(pods(render(values | {"podSecurity": {"user": None}})))
    assert found
    for name, spec in found:
        assert spec["securityContext"]["runAsNonRoot"], name
        assert not {"runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"} & spec["securityContext"].keys(), name


def with_quota(values: dict[str, Any]) -> dict[str, Any]:
    """Return values in which each `resources` of the chart has requests and limits of all that a quota may count."""
    found = {}
    for key, value in values.items():
        if key == "resources":
            found[key] = {"requests": QUOTA, "limits": QUOTA}
        elif isinstance(value, dict) and (below := with_quota(value)):
            found[key] = below
    return found


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    both = {key: merged(one[key], other[key]) for key in one.keys() & other.keys() if isinstance(one[key], dict)}
    return one | other | both


@pytest.mark.parametrize("values", CASES)
def test_every_container_can_have_what_a_quota_counts(render: Render, values: dict[str, Any]) -> None:
    for name, spec in pods(render(merged(values, with_quota(VALUES)))):
        for container in containers(spec):
            for kind in ("requests", "limits"):
                assert QUOTA.items() <= container["resources"][kind].items(), (name, container["name"], kind)


@pytest.mark.parametrize("values", CASES)
def test_all_that_reach_the_outside_trust_the_authorities_of_the_company(
    render: Render, values: dict[str, Any]
) -> None:
    bundle = {"configMap": "company", "key": "all.pem"}
    for name, spec in pods(render(values | {"caBundle": bundle})):
        for container in containers(spec):
            if container["name"] in OF_SERVERS | WITHIN:
                continue
            said = environment(container)
            variables = (
                {"NODE_EXTRA_CA_CERTS"} if container["name"] == "provider" else {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}
            )
            assert {said.get(variable) for variable in variables} == {BUNDLE}, name
            (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "ca-bundle"]
            assert mount == {"name": "ca-bundle", "mountPath": "/etc/ingest/ca-bundle", "readOnly": True}
            (volume,) = [volume for volume in spec["volumes"] if volume["name"] == "ca-bundle"]
            assert volume["configMap"] == {"name": "company", "items": [{"key": "all.pem", "path": "ca-bundle.crt"}]}
