"""Rendered objects over a matrix of values: valid for each Kubernetes, hardened, with settings of the services."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml
from helm_python import Chart, HelmRenderError, HelmValuesError, lint, show

from ingest.asr.settings import AsrSettings
from ingest.cli.settings import AllSettings
from ingest.downloader.settings import DownloaderSettings
from ingest.embedder.settings import EmbedderSettings
from ingest.shared.broker.permissions import User, permissions
from ingest.shared.settings import Settings, variable
from k8s import values_page
from k8s.manifest import CHART, text
from tests.support.rendered import RELABELLING, VALUES, containers, deployment, pods

if TYPE_CHECKING:
    from tests.support.rendered import Render

K8S = Path(__file__).parents[2] / "k8s"
SETTINGS: dict[str, type[Settings]] = {
    "asr": AsrSettings,
    "downloader": DownloaderSettings,
    "embedder": EmbedderSettings,
}
CUSTOM = {"PodMonitor", "PrometheusRule", "ScaledObject"}
KEDA: dict[str, Any] = {"enabled": True}
LOGINS = {"nats.creds", "tls.crt", "tls.key"}  # of an existing server of NATS
DOWNLOADS = Settings.model_fields["download_limit"].default
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
        "models": {"extraEnv": [{"name": "HF_ENDPOINT", "value": "x"}], "extraEgress": [{"ports": [{"port": 3128}]}]},
        "downloader": {
            "autoscaling": {"enabled": True},
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
    "least": {
        "networkPolicy": {"enabled": False},
        "serviceAccount": {"create": False},
        "rbac": {"create": False},
        "migrations": {"by": "none"},
        "models": {"download": False},
        "nameOverride": "speech",
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
@pytest.mark.parametrize("minor", range(29, 37))
@pytest.mark.parametrize("values", CASES)
def test_every_object_is_valid_for_kubernetes(render: Render, values: dict[str, Any], minor: int) -> None:
    for manifest in render(values):
        if manifest["kind"] not in CUSTOM:
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
        spec = deployment(manifests, component)["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        volumes = [volume for volume in spec["volumes"] if volume["name"] in mounted and "secret" in volume]
        items = {item["key"] for volume in volumes for item in volume["secret"]["items"]} - {"ca.crt"}
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


def test_replicas_are_twelve_two_twelve(render: Render) -> None:
    manifests = render()
    counts = [deployment(manifests, name)["spec"]["replicas"] for name in ("downloader", "asr", "embedder")]
    assert counts == [12, 2, 12]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({"replicas": 0}, 0, id="0 is 0"),
        pytest.param({"replicas": None}, None, id="null is no field"),
        pytest.param({"autoscaling": {"enabled": True}}, None, id="left to the autoscaler"),
        pytest.param({"keda": {"enabled": True}}, None, id="left to KEDA"),
    ],
)
def test_replicas(render: Render, values: dict[str, Any], expected: int | None) -> None:
    assert deployment(render({"asr": values}), "asr")["spec"].get("replicas") == expected


def test_the_gpu_is_a_limit_with_the_configured_name_and_pods_are_replaced_without_a_second_card(
    render: Render,
) -> None:
    spec = deployment(render({"asr": {"gpu": {"resourceName": "nvidia.com/gpu.shared"}}}), "asr")["spec"]
    assert spec["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu.shared"] == 1
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    without = deployment(render({"asr": {"gpu": {"count": 0}}}), "asr")["spec"]["template"]["spec"]["containers"][0]
    assert set(without["resources"]["limits"]) == {"memory"}


@pytest.mark.parametrize("component", ["downloader", "asr", "embedder"])
def test_the_pod_outlives_the_grace_of_the_service(render: Render, component: str) -> None:
    spec = deployment(render({component: {"graceSeconds": 1000}}), component)["spec"]["template"]["spec"]
    environment = {item["name"]: item.get("value") for item in spec["containers"][0]["env"]}
    assert float(environment["INGEST_GRACE_S"]) < spec["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("component", ["downloader", "asr", "embedder"])
def test_pods_may_be_replaced_all_at_once(render: Render, component: str) -> None:
    strategy = deployment(render({component: {"strategy": {"type": "Recreate"}}}), component)["spec"]["strategy"]
    assert strategy == {"type": "Recreate"}


@pytest.mark.parametrize("component", ["downloader", "asr", "embedder"])
def test_a_rollout_is_given_up_after_the_old_pod_had_time_to_stop_and_the_new_one_to_start(
    render: Render, component: str
) -> None:
    spec = deployment(render({component: {"graceSeconds": 5000, "startSeconds": 4000}}), component)["spec"]
    pod = spec["template"]["spec"]
    start = pod["containers"][0]["startupProbe"]
    starting_s = start["failureThreshold"] * start["periodSeconds"]
    assert spec["progressDeadlineSeconds"] > pod["terminationGracePeriodSeconds"] + starting_s


def test_large_numbers_stay_whole(render: Render) -> None:
    spec = deployment(render({"settings": {"queue_bytes": 107374182400}}), "asr")["spec"]["template"]["spec"]
    assert {"name": "INGEST_QUEUE_BYTES", "value": "107374182400"} in spec["containers"][0]["env"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({"asr": {"replica": 3}}, "/asr", id="unknown key"),
        pytest.param({"asr": {"replicas": "two"}}, "/asr/replicas", id="wrong type"),
        pytest.param({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy", id="no such word"),
        pytest.param({"volume": {"hostPath": "relative"}}, "/volume/hostPath", id="relative path"),
        pytest.param({"postgres": {"url": "postgresql://me@db/x"}}, "/postgres/url", id="url without USER"),
        pytest.param({"voices": {"settings": {"voice_acept": 0.5}}}, "/voices/settings", id="unknown voice setting"),
        pytest.param({"voices": {"settings": {"voice_accept": 2}}}, "voice_accept", id="no cosine"),
        pytest.param({"voices": {"settings": {"diarization_device": "gpu"}}}, "diarization_device", id="no device"),
        pytest.param({"asr": {"image": {"digest": "sha256:short"}}}, "/asr/image/digest", id="no digest"),
    ],
)
def test_the_refusal_of_a_wrong_value_names_it(render: Render, values: dict[str, Any], words: str) -> None:
    with pytest.raises(HelmValuesError, match=words):
        render(values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({"asr": {"keda": KEDA, "autoscaling": KEDA}}, "choose one", id="two autoscalers"),
        pytest.param({"nats": {"enabled": False}}, "nats.url", id="no NATS"),
        pytest.param({"postgres": {"enabled": False}}, "postgres.url", id="no Postgres"),
        pytest.param({"nats": {"nkeySecret": "mine"}}, "log in to an existing server", id="a login for our own NATS"),
        pytest.param(
            {"nats": {"enabled": False, "url": "nats://x", "credsSecret": "a", "nkeySecret": "b"}},
            "only one of them",
            id="two logins",
        ),
        pytest.param({"volume": {"hostPath": "/x", "existingClaim": "y"}}, "only one", id="two volumes"),
        pytest.param(
            {"asr": {"settings": {"diarization_model": "x"}}}, "voices.settings", id="a pipeline for asr alone"
        ),
        pytest.param({"settings": {"diarization_model": "x"}}, "voices.settings", id="a pipeline for all"),
        pytest.param(
            {"nats": {"enabled": False, "url": "nats://x"}, "asr": {"keda": KEDA}},
            "monitoringEndpoint",
            id="KEDA blind",
        ),
        *(
            pytest.param({component: {"settings": {name: 7}}}, "under settings", id=f"{name} of {component} alone")
            for component in SETTINGS
            for name in ("ack_wait_s", "check_limit", "download_limit", "queue_bytes")
        ),
        *(
            pytest.param({"settings": {name: 0}}, "the chart sets it", id=f"{name} of all")
            for name in ("grace_s", "metrics_port", "volume_path")
        ),
        *(
            pytest.param({component: {"settings": {name: 0}}}, "the chart sets it", id=f"{name} of {component}")
            for component in SETTINGS
            for name in ("grace_s", "metrics_port", "volume_path")
        ),
        *(
            pytest.param(
                {"downloader": {scaler: {"enabled": True, "maxReplicas": DOWNLOADS + 1}}},
                f"{DOWNLOADS} downloads",
                id=f"more downloaders by {scaler} than downloads",
            )
            for scaler in ("autoscaling", "keda")
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused_with_advice(
    render: Render, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(HelmRenderError, match=words):
        render(values)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"downloader": {"keda": KEDA | {"maxReplicas": DOWNLOADS}}}, id="as many as by default"),
        pytest.param(
            {"downloader": {"keda": KEDA | {"maxReplicas": 24}}, "settings": {"download_limit": 24}},
            id="a higher limit",
        ),
        pytest.param({"downloader": {"keda": {"maxReplicas": 500}}}, id="not enabled"),
    ],
)
def test_an_autoscaler_may_have_as_many_downloaders_as_downloads(render: Render, values: dict[str, Any]) -> None:
    assert render(values)


@pytest.mark.parametrize("key", sorted(VALUES))
def test_a_top_level_key_without_value_is_refused_by_name_or_does_no_harm(chart: Chart, key: str) -> None:
    try:
        chart.render({"auth": {"seed": "tests"}} | {key: None}, name="ingest", namespace="somewhere")
    except HelmValuesError as error:
        assert f"missing property '{key}'" in str(error)  # noqa: PT017 (either is right)


def test_values_and_schema_have_the_same_keys() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert VALUES.keys() == schema["properties"].keys()
    voices = schema["properties"]["voices"]["properties"]["settings"]["properties"]
    ours = {name for name in AsrSettings.model_fields if name.startswith(("diarization_", "voice_"))}
    assert voices.keys() == VALUES["voices"]["settings"].keys()
    assert voices.keys() == ours - {"diarization_token"} | {"min_speakers", "max_speakers"}


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


def test_the_users_for_the_official_nats_chart_are_the_same() -> None:
    values = yaml.safe_load((K8S / "operators" / "nats.yaml").read_text())
    users = values["config"]["merge"]["authorization"]["users"]
    found = {user["user"]: user["permissions"] for user in users}
    assert {name: tuple(rights["publish"]["allow"]) for name, rights in found.items()} == {
        user: permissions(user).publish for user in User
    }
    assert {name: tuple(rights["subscribe"]["allow"]) for name, rights in found.items()} == {
        user: permissions(user).subscribe for user in User
    }


def test_the_plain_manifest_is_the_chart() -> None:
    assert (K8S / "ingest.yaml").read_text() == text(), "python -m k8s.manifest > k8s/ingest.yaml"


def test_the_readme_of_the_chart_has_all_values() -> None:
    page = show(str(CHART), output_format="readme")
    assert page.strip() == values_page.text().strip(), "python -m k8s.values_page > charts/README.md"
    assert [key for key in VALUES if f"| `{key}` |" not in page and f"\n## {key}\n" not in page] == []
    assert [key for key in VALUES["asr"] if f"| `asr.{key}` |" not in page] == []


@pytest.mark.parametrize("path", sorted(K8S.rglob("*.yaml")), ids=lambda path: path.name)
def test_every_file_for_clusters_is_yaml(path: Path) -> None:
    assert list(yaml.safe_load_all(path.read_text()))


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
