"""Rendered objects over a matrix of values: valid for each Kubernetes, hardened, with settings of the services."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml
from helm_python import lint

from ingest.archive.settings import ArchiveSettings
from ingest.asr.settings import AsrSettings
from ingest.cli.settings import AllSettings
from ingest.downloader.settings import DownloaderSettings
from ingest.embedder.settings import EmbedderSettings
from ingest.shared.settings import Settings, variable
from k8s.manifest import CHART
from tests.support.rendered import RELABELLING, containers, deployment, pods, workload

if TYPE_CHECKING:
    from tests.support.rendered import Render

K8S = Path(__file__).parents[2] / "k8s"
SETTINGS: dict[str, type[Settings]] = {
    "archive": ArchiveSettings,
    "asr": AsrSettings,
    "downloader": DownloaderSettings,
    "embedder": EmbedderSettings,
}
CUSTOM = {"HTTPRoute", "JobSet", "PodMonitor", "PrometheusRule", "ScaledObject"}
KEDA: dict[str, Any] = {"enabled": True}
LOGINS = {"nats.creds", "tls.crt", "tls.key"}  # of an existing server of NATS
MATRIX = {
    "no values": {},
    "kind": yaml.safe_load((K8S / "kind" / "values.yaml").read_text()),
    "servers of one's own": {
        "nats": {
            "enabled": False,
            "url": "tls://nats.messaging:4222,tls://nats-2.messaging:4222",
            "caSecret": "ca",
            "credsSecret": "creds",
            "clientCertSecret": "client",
        },
        "postgres": {"enabled": False, "url": "postgresql://USER@db:5432/ingest", "caSecret": "ca"},
        "auth": {"existingSecret": "mine"},
        "volume": {"existingClaim": "mine"},
        "models": {"existingClaim": "models"},
        "migrations": {"by": "hook"},
        "voices": {"settings": {"diarization_model": "/data/models/voices"}},
        "networkPolicy": {"metricsFrom": [], "externalServers": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]},
    },
    "everything on": {
        "submit": {"sources": ["https://example.org/feed.xml"], "options": ["--limit", "3"]},
        "sync": {"sources": ["https://example.org/feed.xml"]},
        "purge": {"enabled": True},
        "nats": {"tls": {"secretName": "nats-tls"}},
        "asr": {"keda": KEDA, "gpu": {"resourceName": "nvidia.com/mig-1g.10gb"}},
        "embedder": {"keda": KEDA},
        "archive": {
            "auth": {"tokenSecret": "page"},
            "ingress": {"enabled": True, "className": "nginx", "host": "talks.example.org", "tlsSecret": "tls"},
            "httpRoute": {"enabled": True, "hostnames": ["x.example.org"], "parentRefs": [{"name": "gateway"}]},
        },
        "models": {"extraEnv": [{"name": "HF_ENDPOINT", "value": "x"}], "extraEgress": [{"ports": [{"port": 3128}]}]},
        "downloader": {
            "autoscaling": {"enabled": True},
            "exits": {"existingSecret": "exits"},
            "potProvider": {"enabled": True},
            "settings": {"cookies_file": "/cookies/cookies.txt"},
            "extraEnv": [{"name": "HTTPS_PROXY", "value": "x"}],
            "extraEnvFrom": [{"secretRef": {"name": "proxies"}}],
            "extraVolumes": [{"name": "cookies", "projected": {"sources": [{"secret": {"name": "cookies"}}]}}],
            "extraVolumeMounts": [{"name": "cookies", "mountPath": "/cookies"}],
            "extraEgress": [{"ports": [{"port": 8443}]}],
        },
        "rbac": {"subjects": [{"kind": "User", "name": "someone", "apiGroup": "rbac.authorization.k8s.io"}]},
        "monitoring": {
            "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "prometheusRule": {"enabled": True},
            "dashboards": {"enabled": True},
        },
        "global": {"imageRegistry": "registry.example.org"},
        "serviceAccount": {"annotations": {"a": "b"}},
        "voices": {
            "tokenSecret": "hub",
            "settings": {"diarization_model": "pyannote/some", "diarization_window_s": 900.5, "voice_accept": 0.5},
        },
        "settings": {"log_level": "DEBUG", "queue_bytes": 536870912},
    },
    "a backfill": {
        "mode": "jobs",
        "submit": {"sources": ["https://example.org/feed.xml"]},
        "backfill": {"queue": "gpus", "activeDeadlineSeconds": 172800},
    },
    "least": {
        "networkPolicy": {"enabled": False},
        "serviceAccount": {"create": False},
        "rbac": {"create": False},
        "migrations": {"by": "none"},
        "models": {"download": False},
        "nameOverride": "speech",
        "archive": {"enabled": False},
        "volume": {"hostPath": "/shared"},
        "asr": {"replicas": 0, "strategy": {"type": "Recreate"}, "podDisruptionBudget": {"enabled": False}},
    },
}
CASES = [pytest.param(values, id=name) for name, values in MATRIX.items()]


@pytest.mark.parametrize("values", CASES)
def test_lint_reports_no_error(values: dict[str, Any]) -> None:
    report = lint(CHART, values, strict=True)
    assert report["errors"] == []
    assert [item["error"] for item in report["messages"]] == ["icon is recommended"]


@pytest.mark.usefixtures("_schemas_are_read_once")
@pytest.mark.parametrize("values", CASES)
def test_every_object_is_valid_for_kubernetes(render: Render, values: dict[str, Any]) -> None:
    manifests = [manifest for manifest in render(values) if manifest["kind"] not in CUSTOM]
    for minor, manifest in product(range(29, 37), manifests):
        kubernetes_validate.validate(manifest, f"1.{minor}", strict=True)


@pytest.mark.parametrize("values", CASES)
def test_labels_are_the_recommended_ones_and_selectors_find_their_pods(render: Render, values: dict[str, Any]) -> None:
    manifests = render(values)
    templates = [item["spec"]["template"]["metadata"]["labels"] for item in manifests if item["kind"] == "Deployment"]
    for manifest in manifests:
        labels = manifest["metadata"]["labels"]
        assert {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"} <= labels.keys()
        assert labels["helm.sh/chart"] == "ingest-0.1.0"
        assert manifest["kind"] == "PersistentVolume" or manifest["metadata"]["namespace"] == "somewhere"
        if manifest["kind"] in {"PodDisruptionBudget", "Deployment"}:
            wanted = manifest["spec"]["selector"]["matchLabels"]
            assert any(wanted.items() <= found.items() for found in templates)
            assert not {"helm.sh/chart", "app.kubernetes.io/version"} & wanted.keys()


@pytest.mark.parametrize("values", CASES)
def test_every_container_is_hardened(render: Render, values: dict[str, Any]) -> None:
    for name, spec in pods(render(values)):
        security = spec["securityContext"]
        assert security["runAsNonRoot"], name
        assert security["runAsUser"] > 0, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert security["fsGroupChangePolicy"] == "OnRootMismatch", name
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        for container in containers(spec):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"], name
            assert not container["image"].endswith(":latest"), name
        for volume in spec.get("volumes", []):
            assert "hostPath" not in volume, name
            assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": ""}), name


@pytest.mark.parametrize("values", CASES)
def test_passwords_are_files_and_each_service_gets_only_its_own(render: Render, values: dict[str, Any]) -> None:
    manifests = render(values)
    for component, keys in {
        "asr": {"nats-asr"},
        "downloader": {"nats-downloader"},
        "embedder": {"nats-embedder", "postgres-embedder"},
    }.items():
        spec = workload(manifests, component)["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        volumes = [volume for volume in spec["volumes"] if volume["name"] in mounted and "secret" in volume]
        whole = {volume["name"] for volume in volumes if "items" not in volume["secret"]}
        assert whole <= ({"exits"} if component == "downloader" else set()), "a Secret of the user, with any keys"
        items = {item["key"] for volume in volumes for item in volume["secret"].get("items", ())} - {"ca.crt"}
        assert items - LOGINS == keys
        assert items & LOGINS == (LOGINS if "credsSecret" in values.get("nats", {}) else set())
        assert not any("secretKeyRef" in json.dumps(item) for item in container["env"])


@pytest.mark.parametrize(("by", "sees"), [("init", True), ("hook", False), ("none", False)])
def test_pods_of_the_embedder_get_the_passwords_of_the_owner_only_if_they_migrate(
    render: Render,
    by: str,
    sees: bool,  # noqa: FBT001 (a table's value)
) -> None:
    spec = deployment(render({"migrations": {"by": by}}), "embedder")["spec"]["template"]["spec"]
    assert ("postgres-owner" in json.dumps(spec)) == sees
    assert ("nats-admin" in json.dumps(spec)) == sees


@pytest.mark.parametrize("values", CASES)
def test_environment_names_are_settings_of_the_service(render: Render, values: dict[str, Any]) -> None:
    ours_alone = [(name, spec) for name, spec in pods(render(values)) if not name.endswith("-nats")]
    for name, spec in ours_alone:
        for container in containers(spec):
            kind = SETTINGS.get(container["name"], AllSettings)
            known = {variable(field) for field in kind.model_fields} | {"INGEST_SECRETS_DIR"}
            known |= RELABELLING if kind is EmbedderSettings else set()
            ours = {item["name"] for item in container.get("env", []) if item["name"].startswith("INGEST_")}
            assert ours <= known, (name, container["name"])


def test_large_numbers_stay_whole(render: Render) -> None:
    spec = deployment(render({"settings": {"queue_bytes": 107374182400}}), "asr")["spec"]["template"]["spec"]
    assert {"name": "INGEST_QUEUE_BYTES", "value": "107374182400"} in spec["containers"][0]["env"]


def test_every_command_runs_under_tini_and_can_be_stopped_while_it_starts(render: Render) -> None:
    values = {
        "submit": {"sources": ["https://example.org/feed.xml"]},
        "demo": {"enabled": True},
        "purge": {"enabled": True},
    }
    commands = {
        container["name"]: container["command"]
        for _, spec in pods(render(values))
        for container in containers(spec)
        if "command" in container and container["name"] != "streams"  # in the image of the NATS server
    }
    assert {"migrate", "wait-for-models", "ingest", "fetch"} <= commands.keys()
    assert {tuple(command[:2]) for command in commands.values()} == {("tini", "--")}


def test_rendering_twice_gives_the_same(render: Render) -> None:
    assert render() == render()


@pytest.mark.parametrize(
    ("runbooks", "place"),
    [
        pytest.param("https://example.org/runbooks.html", "https://example.org/runbooks.html", id="an address"),
        pytest.param(None, "docs/runbooks.md", id="values of a chart that did not have the key"),
    ],
)
def test_alerts_link_to_the_configured_address_of_the_runbooks(
    render: Render, runbooks: str | None, place: str
) -> None:
    manifests = render({"monitoring": {"prometheusRule": {"enabled": True, "runbooks": runbooks}}})
    (rules,) = [item for item in manifests if item["kind"] == "PrometheusRule"]
    links = [rule["annotations"]["runbook_url"] for group in rules["spec"]["groups"] for rule in group["rules"]]
    assert links
    assert all(link.startswith(f"{place}#ingest") for link in links)
