"""The states of the Jobs of a run, its end, and the flow of `ingest submit --k8s --jobs`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from ingest.cli import console
from ingest.cli.k8s import backfill, remote
from ingest.cli.k8s.cluster import JobResult
from ingest.cli.k8s.pods import COMPONENT, RUN, RunPods, job_state, run_pods, worker_pods
from ingest.cli.selection import Selection
from ingest.shared.errors import ConfigurationError
from ingest.shared.pipeline import Service

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.cli.k8s.cluster import Release
    from ingest.cli.k8s.pods import Object

RUNNING: list[str] = ["running"] * 3


def job(component: str = "asr", *, suspend: bool = False, **status: object) -> dict[str, Any]:
    labels = {COMPONENT: component, RUN: "x"}
    return {"metadata": {"labels": labels}, "spec": {"parallelism": 2, "suspend": suspend}, "status": status}


def condition(kind: str, reason: str = "") -> dict[str, Any]:
    return {
        "conditions": [{"type": "Suspended", "status": "False"}, {"type": kind, "status": "True", "reason": reason}]
    }


def states(*found: str) -> list[RunPods]:
    return [RunPods("x", component, state, 1, 0, 0, ()) for component, state in zip(Service, found, strict=False)]


@pytest.mark.parametrize(
    ("found", "state"),
    [
        pytest.param(job(), "running", id="running"),
        pytest.param(job(suspend=True, **condition("Suspended")), "suspended", id="suspended"),
        pytest.param(job(**condition("Complete")), "complete", id="complete"),
        pytest.param(job(**condition("Failed", "BackoffLimitExceeded")), "failed: BackoffLimitExceeded", id="crashes"),
        pytest.param(job("embedder", **condition("Failed", "PodFailurePolicy")), "recordings failed", id="recordings"),
        pytest.param(job("asr", **condition("Failed", "PodFailurePolicy")), "failed: PodFailurePolicy", id="not these"),
        pytest.param(job(**condition("SuccessCriteriaMet")), "running", id="its pods are ending"),
    ],
)
def test_the_state_of_a_job(found: dict[str, Any], state: str) -> None:
    assert job_state(found) == state


@pytest.mark.parametrize(
    ("found", "status"),
    [
        pytest.param(["running", "complete", "complete"], None, id="one runs"),
        pytest.param(["suspended"] * 3, None, id="Kueue has not admitted them"),
        pytest.param(["complete"] * 3, console.OK, id="all are complete"),
        pytest.param(["complete", "running", "recordings failed"], None, id="the recognizer ends"),
        pytest.param(["complete", "complete", "recordings failed"], console.SOME_FAILED, id="recordings failed"),
        pytest.param(["running", "failed: DeadlineExceeded", "running"], console.FAILED, id="a Job failed"),
        pytest.param(["complete", "complete"], console.FAILED, id="a Job was deleted"),
    ],
)
def test_the_end_of_three_jobs(found: list[str], status: int | None) -> None:
    assert backfill.status_of_jobs(states(*found), 3) == status


@pytest.mark.parametrize(
    ("conditions", "found", "status"),
    [
        pytest.param(set(), RUNNING, None, id="open"),
        pytest.param({"StartupPolicyInProgress"}, [], None, id="starting"),
        pytest.param(set(), ["running", "failed: BackoffLimitExceeded", "running"], None, id="it starts again"),
        pytest.param({"Completed"}, ["running", "complete", "complete"], console.OK, id="complete without downloader"),
        pytest.param({"Failed"}, ["running", "complete", "recordings failed"], console.SOME_FAILED, id="recordings"),
        pytest.param({"Failed"}, ["complete", "failed: x", "complete"], console.FAILED, id="restarts are used up"),
    ],
)
def test_the_end_of_a_job_set(conditions: set[str], found: list[str], status: int | None) -> None:
    assert backfill.status_of_set(conditions, states(*found)) == status


def test_pods_of_a_run_are_not_those_of_the_deployment() -> None:
    waiting = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: 1 Insufficient nvidia.com/gpu."}
    pod = {"metadata": {"labels": {COMPONENT: "asr", RUN: "x"}}, "status": {"conditions": [waiting]}}
    template: dict[str, Any] = {"spec": {"containers": [{"resources": {}}]}}
    deployment = {"metadata": {"labels": {COMPONENT: "asr"}}, "spec": {"template": template}, "status": {}}
    assert worker_pods(deployment, [pod]).troubles == ()
    found = run_pods(job(ready=1, succeeded=1), [pod])
    assert (found.wanted, found.ready, found.done) == (2, 1, 1)
    assert "waits for nvidia.com/gpu" in found.troubles[0]
    assert run_pods(job(suspend=True), []).wanted == 0


class Cluster:
    """A release whose submission has a status, and whose Jobs have the given states, one list for each look."""

    def __init__(self, status: int, looks: Sequence[list[str]] = (), kind: str = "Job") -> None:
        self.result = JobResult(status, '{"requested": 5, "known": 0}')
        self.looks = list(looks)
        self.created: list[Object] = []
        self.commands: list[Sequence[str]] = []
        self.kind = kind
        self.earlier: list[RunPods] = []

    def backfill_template(self) -> Object:
        names = Service if self.kind == "Job" else ("set",)
        manifests = [{"kind": self.kind, "metadata": {"name": f"ingest-__RUN__-{name}"}} for name in names]
        return {"metadata": {"name": "ingest-backfill", "uid": "7"}, "data": {backfill.TEXT: yaml.dump_all(manifests)}}

    def run(self, command: Sequence[str], limit_s: float) -> JobResult:
        assert limit_s > 3600, "the sources of a backfill may take long to list"
        self.commands.append(command)
        return self.result

    def create(self, manifest: Object) -> None:
        self.created.append(manifest)

    def runs(self, run: str | None = None) -> list[RunPods]:
        assert run == "mine"
        return states(*self.looks.pop(0)) if self.created else self.earlier

    def conditions(self, manifest: Object) -> set[str]:
        assert manifest["kind"] == "JobSet"
        return {"Completed"}


def ask(cluster: Cluster, *, wait: bool = False, as_json: bool = False) -> int:
    asked = remote.Submission(["http://x/feed"], Selection(limit=3), "mine", wait=wait, as_json=as_json)
    return remote.backfill(cast("Release", cluster), asked, pause_s=0.0)


def test_recordings_are_requested_before_the_jobs_start() -> None:
    cluster = Cluster(console.OK)
    assert ask(cluster) == console.OK
    command = " ".join(cluster.commands[0])
    assert command == "ingest submit --limit 3 --run mine -- http://x/feed"
    assert [one["metadata"]["name"] for one in cluster.created] == [f"ingest-mine-{name}" for name in Service]
    assert {one["metadata"]["ownerReferences"][0]["uid"] for one in cluster.created} == {"7"}


def test_a_run_that_has_jobs_is_refused_before_anything_is_requested() -> None:
    cluster = Cluster(console.OK)
    cluster.earlier = states("running")
    with pytest.raises(ConfigurationError, match="--run"):
        ask(cluster)
    assert cluster.commands == []


def test_without_a_request_no_job_starts() -> None:
    cluster = Cluster(console.FAILED)
    assert ask(cluster) == console.FAILED
    assert cluster.created == []


@pytest.mark.parametrize(
    ("submitted", "looks", "kind", "status"),
    [
        (0, [RUNNING, ["complete"] * 3], "Job", console.OK),
        (0, [RUNNING, ["complete", "complete", "recordings failed"]], "Job", console.SOME_FAILED),
        (3, [["complete"] * 3], "Job", console.SOME_FAILED),
        (3, [["complete", "complete", "failed: x"]], "Job", console.FAILED),
        (0, [RUNNING], "JobSet", console.OK),
    ],
)
def test_the_status_after_the_end_says_whether_recordings_failed_or_sources_were_not_read(
    submitted: int, looks: list[list[str]], kind: str, status: int
) -> None:
    cluster = Cluster(submitted, looks, kind)
    assert ask(cluster, wait=True) == status
    assert cluster.looks == []


def test_json_names_the_run_and_what_was_created(capsys: pytest.CaptureFixture[str]) -> None:
    ask(Cluster(console.OK), as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["run"], shown["requested"]) == ("mine", 5)
    assert shown["created"] == [f"job/ingest-mine-{name}" for name in Service]


def test_an_output_without_json_is_an_error_of_the_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(Cluster):
        def run(self, command: Sequence[str], limit_s: float) -> JobResult:  # noqa: ARG002 (as the release)
            return JobResult(1, "no NATS")

        def workers(self) -> list[object]:
            return []

        def runs(self, run: str | None = None) -> list[RunPods]:  # noqa: ARG002 (as the release)
            return []

    assert remote.show(cast("Release", Broken(0)), as_json=True) is False
    assert "`ingest status` failed: no NATS" in json.loads(capsys.readouterr().out)["problem"]
