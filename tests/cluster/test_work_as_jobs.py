"""A backfill as Jobs: pods come, are deleted and evicted, and all Jobs end by themselves."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from ingest.cli.k8s.pods import COMPLETE, job_state
from ingest.shared.pipeline import Service
from tests.cluster.conftest import FEED, ROOT, SAMPLES, VALUES, missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.conftest import Cluster, JsonObject

OF_RUNS = "ingest/run"
DOMAIN = "jobsets.jobset.x-k8s.io"


@pytest.fixture
def resting(cluster: Cluster) -> Iterator[Cluster]:
    """The release for all tests, whose Deployments have no pods: only those of Jobs work."""
    names = [f"deploy/ingest-{service}" for service in Service]
    cluster.kubectl("scale", *names, "--replicas=0")
    cluster.until(lambda: not any(cluster.pods(service) for service in Service), "no pods of Deployments")
    yield cluster
    cluster.kubectl("delete", "jobs", "--selector", OF_RUNS)
    cluster.kubectl("scale", *names, "--replicas=1")
    for name in names:
        cluster.kubectl("rollout", "status", name, "--timeout=240s")


def jobs(cluster: Cluster) -> dict[str, JsonObject]:
    """Return the Jobs of runs by their services."""
    found = cluster.get("jobs", "--selector", OF_RUNS)["items"]
    return {item["metadata"]["labels"]["app.kubernetes.io/component"]: item for item in found}


def asr_pods(cluster: Cluster) -> list[str]:
    """Return the asr pods that run, first those that are ready."""
    running = [pod for pod in cluster.pods("asr") if pod["status"]["phase"] == "Running"]
    running.sort(key=lambda pod: not pod["status"]["containerStatuses"][0]["ready"])
    return [pod["metadata"]["name"] for pod in running]


def is_working(cluster: Cluster) -> bool:
    """Return whether one of two asr pods is ready."""
    ready = cluster.get("jobs", "--selector", f"{OF_RUNS},app.kubernetes.io/component=asr")["items"]
    return len(asr_pods(cluster)) == 2 and any(job["status"].get("ready") for job in ready)


def evict(cluster: Cluster, pod: str, folder: Path) -> None:
    """Evict a pod, as `kubectl drain` does."""
    place = {"name": pod, "namespace": cluster.namespace}
    (folder / "eviction.json").write_text(
        json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": place})
    )
    path = f"/api/v1/namespaces/{cluster.namespace}/pods/{pod}/eviction"
    cluster.kubectl("create", "--raw", path, "--filename", str(folder / "eviction.json"))


def test_a_backfill_ends_by_itself_although_pods_are_deleted_and_evicted(
    resting: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster, began = resting, time.monotonic()
    shown = json.loads(cluster.ingest("submit", FEED, "--force", "--jobs", "--json"))
    assert (shown["requested"], len(shown["created"])) == (SAMPLES, len(Service))
    cluster.until(lambda: is_working(cluster), "two asr pods", 120)
    deleted, evicted = asr_pods(cluster)
    cluster.kubectl("delete", "pod", deleted, "--wait=false")
    evict(cluster, evicted, tmp_path)
    assert job_state(jobs(cluster)["asr"]) == "running", "in the middle of the work"
    cluster.until(lambda: all(job_state(job) != "running" for job in jobs(cluster).values()), "the end of all Jobs")
    waited = cluster.kubectl(
        "wait", "--for=condition=complete", "jobs", "--selector", f"{OF_RUNS}={shown['run']}", "--timeout=5s"
    )
    assert waited.count("condition met") == len(Service)
    assert {name: job_state(job) for name, job in jobs(cluster).items()} == dict.fromkeys(Service, COMPLETE)
    assert cluster.sql("SELECT count(*) FROM videos WHERE state = 'failed'") == "0"
    assert not jobs(cluster)["asr"]["status"].get("failed"), "neither a deletion nor an eviction counts"
    assert cluster.all_indexed()
    runs = json.loads(cluster.ingest("status", "--json"))["runs"]
    assert {(one["component"], one["state"]) for one in runs} == {(name, COMPLETE) for name in Service}
    with capsys.disabled():
        print(f"\na backfill as Jobs: {time.monotonic() - began:.0f} s")  # noqa: T201 (figures)
        print(cluster.kubectl("get", "jobs", "--selector", OF_RUNS))  # noqa: T201 (the proof)


def applied(cluster: Cluster, folder: Path, **backfill: Any) -> list[JsonObject]:  # noqa: ANN401 (a foreign shape)
    """Create the objects of a run in a namespace without a release, and return them as the API server stores them."""
    values = {"mode": "jobs", "submit": {"sources": [FEED]}, "auth": {"seed": "x"}, "backfill": backfill}
    (folder / "values.json").write_text(json.dumps(values))
    shown = ("--show-only", "templates/backfill/jobs.yaml")
    options = ("--values", str(VALUES), "--values", str(folder / "values.json"))
    text = cluster.helm("template", "ingest", str(ROOT / "charts"), *options, *shown)
    (folder / "jobs.yaml").write_text(text)
    stored = cluster.kubectl("apply", "--filename", str(folder / "jobs.yaml"), "--output", "json")
    found: JsonObject = json.loads(stored)
    return list(found.get("items", [found]))


def test_a_run_for_kueue_starts_suspended(empty: Cluster, tmp_path: Path) -> None:
    empty.command("kubectl", "create", "namespace", empty.namespace)
    found = applied(empty, tmp_path, queue="gpus")
    assert len(found) == len(Service)
    for job in found:
        assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    empty.until(lambda: all(job_state(job) == "suspended" for job in jobs(empty).values()), "suspended Jobs", 30)
    assert empty.get("pods")["items"] == []
    if DOMAIN not in empty.command("kubectl", "get", "customresourcedefinitions", "--output", "name"):
        missing(f"the cluster does not know {DOMAIN}")
    (job_set,) = applied(empty, tmp_path, queue="gpus", jobSet={"enabled": True, "maxRestarts": 3})
    assert job_set["kind"] == "JobSet"
    assert job_set["spec"]["suspend"] is True
    assert [one["name"] for one in job_set["spec"]["replicatedJobs"]] == list(Service)
