"""Install, upgrade, roll back and uninstall, with Helm 3 and with Helm 4; and the messages of failures."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ingest.shared.pipeline import Service
from tests.cluster.conftest import VERSION, missing

if TYPE_CHECKING:
    from tests.cluster.conftest import Cluster

ASR_GRACE = "jsonpath={.spec.template.spec.terminationGracePeriodSeconds}"
REPLICAS = "jsonpath={.spec.replicas}"


def with_program(cluster: Cluster, program: str) -> Cluster:
    """Return the same cluster, for another Helm."""
    if shutil.which(program) is None:
        missing(f"needs {program}")
    return replace(cluster, helm_program=program)


@pytest.mark.parametrize("program", ["helm", "helm3"])
def test_install_scale_upgrade_roll_back_uninstall_and_install_again(empty: Cluster, program: str) -> None:
    """One release for all of it: a namespace takes a minute to be emptied."""
    cluster = with_program(empty, program)
    cluster.install()
    passwords = cluster.get("secret", "ingest-passwords")["data"]
    assert len(set(passwords.values())) == 9
    _scale_by_hand_and_upgrade_as_the_notes_say(cluster)
    assert cluster.get("secret", "ingest-passwords")["data"] == passwords
    cluster.helm("rollback", "ingest", "1", "--wait")
    assert cluster.kubectl("get", "deploy/ingest-asr", "--output", ASR_GRACE) == "330"
    cluster.helm("uninstall", "ingest", "--wait")
    _only_data_and_passwords_are_left(cluster)
    cluster.install()
    assert cluster.get("secret", "ingest-passwords")["data"] == passwords
    assert cluster.sql("SELECT 1") == "1"


def _scale_by_hand_and_upgrade_as_the_notes_say(cluster: Cluster) -> None:
    cluster.kubectl("scale", "deploy/ingest-asr", "--replicas=2")
    upgrade = ["upgrade", "ingest", "charts", "--reuse-values", "--set", "asr.graceSeconds=77"]
    if cluster.helm_program == "helm":
        assert ".spec.replicas" in cluster.helm(*upgrade, ok=False)
        upgrade.append("--force-conflicts")
    cluster.helm(*upgrade, "--wait", "--timeout", "8m")
    assert cluster.kubectl("get", "deploy/ingest-asr", "--output", REPLICAS) == "1"
    assert cluster.kubectl("get", "deploy/ingest-asr", "--output", ASR_GRACE) == "107"


def _only_data_and_passwords_are_left(cluster: Cluster) -> None:
    kinds = "deployments,statefulsets,jobs,cronjobs,services,secrets,networkpolicies,poddisruptionbudgets,roles"
    left = cluster.kubectl("get", kinds, "--output", "name").split()
    assert [name for name in left if "ingest" in name] == ["secret/ingest-passwords"]
    claims = set(cluster.kubectl("get", "persistentvolumeclaims", "--output", "name").split())
    kept = {"ingest-data", "data-ingest-nats-0", "data-ingest-postgres-0"}
    assert claims == {f"persistentvolumeclaim/{name}" for name in kept}


def test_status_shows_the_reason_of_a_wrong_secret(empty: Cluster) -> None:
    empty.install(wait=False)
    empty.kubectl("rollout", "status", "deploy/ingest-asr", "--timeout=240s")
    empty.kubectl("patch", "secret", "ingest-passwords", "--patch", '{"stringData": {"nats-asr": "wrong"}}')
    empty.kubectl("delete", "pod", "--selector", "app.kubernetes.io/component=asr")
    empty.until(lambda: "NATS refuses the login of asr" in _status(empty), "a reason", 120)


def test_the_third_of_three_asr_pods_waits_for_a_card_and_status_says_so(empty: Cluster) -> None:
    nodes = [node["metadata"]["name"] for node in empty.get("nodes")["items"]]
    patch = '{"status": {"capacity": {"nvidia.com/gpu": "2"}}}'
    empty.kubectl("patch", "node", nodes[0], "--subresource", "status", "--type", "merge", "--patch", patch)
    numbers = (
        "--set",
        f"asr.gpu.count=1,asr.image.tag={VERSION},asr.replicas=3,downloader.replicas=12,embedder.replicas=12",
    )
    empty.install(*numbers, wait=False)

    def scheduled() -> dict[str, int]:
        return {
            component: len([pod for pod in empty.pods(component) if "nodeName" in pod["spec"]]) for component in Service
        }

    empty.until(lambda: scheduled() == {"downloader": 12, "asr": 2, "embedder": 12}, "all but one of 27 pods on a node")
    reason = f"{len(nodes)} Insufficient nvidia.com/gpu"
    empty.until(lambda: reason in " ".join(_status(empty).split()), "the reason", 120)


def _status(cluster: Cluster) -> str:
    return cluster.ingest("status", "--json", ok=False)


@pytest.fixture
def custom_resources(empty: Cluster, request: pytest.FixtureRequest) -> Cluster:
    name = request.param
    if name not in empty.command("kubectl", "get", "customresourcedefinitions", "--output", "name"):
        missing(f"the cluster does not know {name}")
    return empty


@pytest.mark.parametrize("custom_resources", ["podmonitors.monitoring.coreos.com"], indirect=True)
def test_the_prometheus_operator_accepts_its_resources(custom_resources: Cluster) -> None:
    wanted = ",".join(f"monitoring.{name}.enabled=true" for name in ("podMonitor", "prometheusRule", "dashboards"))
    custom_resources.install("--set", wanted, wait=False)
    custom_resources.kubectl("get", "podmonitor/ingest-services", "prometheusrule/ingest-alerts")
    boards = custom_resources.kubectl("get", "configmaps", "--selector", "grafana_dashboard=1", "--output", "name")
    assert len(boards.split()) == 3


@pytest.mark.parametrize("custom_resources", ["scaledobjects.keda.sh"], indirect=True)
def test_keda_follows_the_backlog_up_and_down(custom_resources: Cluster) -> None:
    cluster = custom_resources
    numbers = "maxReplicas=2 lagThreshold=1 pollingSeconds=2 cooldownSeconds=5 stabilizationSeconds=5"
    cluster.install("--set", ",".join(f"asr.keda.{part}" for part in ["enabled=true", *numbers.split()]))

    def replicas() -> str:
        return cluster.kubectl("get", "deploy/ingest-asr", "--output", REPLICAS)

    assert replicas() == "1"

    def grown() -> bool:
        if cluster.all_indexed() or cluster.sql("SELECT count(*) FROM videos") == "0":
            cluster.submit()
        return replicas() == "2"

    cluster.until(grown, "two pods for the backlog")
    cluster.until(cluster.all_indexed, "all recordings")
    cluster.until(lambda: replicas() == "1", "one pod without a backlog")
