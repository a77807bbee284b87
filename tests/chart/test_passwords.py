"""Passwords of a release: random and kept in a cluster, derived from a seed where no cluster can be read."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from helm_python import Config, HelmRenderError

from ingest.shared.pipeline import Service
from tests.chart.api_server import api_server
from tests.support.rendered import deployment, environment, pods

if TYPE_CHECKING:
    from helm_python import Chart

    from tests.support.rendered import Manifest, Render

KEYS = {f"nats-{user}" for user in (*Service, "archive", "submit", "admin")}
KEYS |= {f"postgres-{role}" for role in ("owner", "embedder", "reader")}
CLUSTER: dict[str, Manifest] = {
    "kube-system": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}
}
OWN = {"somewhere": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "somewhere"}}}
CLAIM = {
    "somewhere/persistentvolumeclaims/data-ingest-postgres-0": {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data-ingest-postgres-0", "namespace": "somewhere"},
    }
}


@pytest.fixture
def install(chart: Chart) -> Render:
    """A function that renders the chart as `helm install` does in a cluster with these objects."""

    def installed(objects: dict[str, Manifest], values: dict[str, Any] | None = None) -> list[Manifest]:
        with api_server(objects) as address, Config(kube_apiserver=address, kubeconfig_content="{}") as config:
            files = config.render(chart, values or {}, name="ingest", namespace="somewhere")
        texts = [content for path, content in files.items() if path.endswith(".yaml")]
        return [found for text in texts for found in yaml.safe_load_all(text) if found]

    return installed


def secret_of(manifests: list[Manifest]) -> Manifest:
    (found,) = [item for item in manifests if item["kind"] == "Secret"]
    return found


def passwords(manifests: list[Manifest]) -> dict[str, str]:
    found: dict[str, str] = secret_of(manifests)["stringData"]
    return found


def stored(values: dict[str, str]) -> dict[str, Manifest]:
    """Return the Secret of a release as a cluster has it."""
    data = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
    metadata = {"name": "ingest-passwords", "namespace": "somewhere"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
    return {"somewhere/secrets/ingest-passwords": secret}


def checksums(manifests: list[Manifest]) -> set[str]:
    templates = [deployment(manifests, name)["spec"]["template"] for name in Service]
    return {template["metadata"]["annotations"]["ingest/passwords"] for template in templates}


@pytest.mark.parametrize("cluster", [pytest.param(CLUSTER, id="new namespace"), pytest.param(OWN, id="own namespace")])
def test_a_first_install_makes_random_passwords(install: Render, cluster: dict[str, Manifest]) -> None:
    found = [passwords(install(cluster)) for _ in range(2)]
    assert [set(each) for each in found] == [KEYS, KEYS]
    every = [value for each in found for value in each.values()]
    assert len(set(every)) == 2 * len(KEYS)
    assert all(len(value) == 40 and value[0].isalpha() and value.isalnum() for value in every)


def test_an_upgrade_keeps_the_passwords_and_the_pods(install: Render) -> None:
    first = install(CLUSTER)
    second = install(CLUSTER | stored(passwords(first)))
    assert first == second
    assert len(checksums(first)) == 1


def test_an_upgrade_adds_the_password_of_a_new_user_and_replaces_the_pods(install: Render) -> None:
    first = install(CLUSTER)
    old = {name: value for name, value in passwords(first).items() if name != "nats-admin"}
    second = install(CLUSTER | stored(old))
    assert passwords(second).keys() == KEYS
    assert old.items() <= passwords(second).items()
    assert checksums(first) != checksums(second)


def test_an_upgrade_from_0_1_0_keeps_the_passwords_derived_from_its_default_seed(
    install: Render, render: Render
) -> None:
    derived = passwords(render({"auth": {"seed": "change-me"}}))
    assert derived["nats-asr"] == "pfa61c6922e1ce6c510fa43340e99a06ba1304ad"
    assert passwords(install(CLUSTER | stored(derived))) == derived


def test_random_passwords_outlive_the_release_as_the_claims_of_its_servers_do(install: Render, render: Render) -> None:
    assert secret_of(install(CLUSTER))["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert "annotations" not in secret_of(render({"auth": {"seed": "a"}}))["metadata"]


def test_a_claim_of_postgres_without_its_passwords_is_refused(install: Render) -> None:
    with pytest.raises(HelmRenderError, match="data-ingest-postgres-0 of an earlier release exists"):
        install(CLUSTER | CLAIM)
    assert install(CLUSTER | CLAIM, {"auth": {"seed": "change-me"}})
    assert install(CLUSTER | CLAIM, {"postgres": {"enabled": False, "url": "postgresql://USER@db:5432/ingest"}})


def test_rendering_without_a_cluster_asks_for_a_secret_or_a_seed(chart: Chart, install: Render) -> None:
    with pytest.raises(HelmRenderError, match=r"set auth\.existingSecret, or auth\.seed"):
        chart.render({}, name="ingest", namespace="somewhere")
    with pytest.raises(HelmRenderError, match=r"set auth\.existingSecret, or auth\.seed"):
        install({})
    assert chart.render({"auth": {"existingSecret": "mine"}}, name="ingest", namespace="somewhere")


def test_passwords_differ_between_users_seeds_and_releases(render: Render) -> None:
    def derived(seed: str, name: str) -> list[str]:
        return list(passwords(render({"auth": {"seed": seed}}, name=name)).values())

    found = [*derived("a", "ingest"), *derived("b", "ingest"), *derived("a", "other-ingest")]
    assert len(found) == len(set(found)) == 3 * len(KEYS)
    assert all(password[0].isalpha() for password in found)


def test_the_server_reads_the_password_of_each_user_of_its_configuration(install: Render) -> None:
    manifests = install(CLUSTER)
    (spec,) = [spec for name, spec in pods(manifests) if name == "ingest-nats"]
    references = [item["valueFrom"].get("secretKeyRef") for item in spec["containers"][0]["env"]]
    assert {item["key"] for item in references if item} == {key for key in KEYS if key.startswith("nats-")}
    variables = {name for name in environment(spec["containers"][0]) if name.startswith("INGEST_NATS_PASSWORD_")}
    (configuration,) = [
        item["data"]["nats.conf"]
        for item in manifests
        if item["kind"] == "ConfigMap" and item["metadata"]["name"] == "ingest-nats"
    ]
    assert all(f"${name}," in configuration for name in variables)
    assert len(variables) == configuration.count("password: $INGEST_NATS_PASSWORD_")
