"""A backfill as Jobs: three, or one JobSet; with the release, or as the template of `ingest submit --k8s --jobs`."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml
from helm_python import HelmRenderError, HelmValuesError

from ingest.cli.k8s import backfill
from ingest.cli.k8s.pods import COMPONENT, RUN, job_state
from ingest.shared.pipeline import Service
from ingest.shared.runs.messages import RUN_NAME_PATTERN
from ingest.shared.worker.arguments import parse
from ingest.shared.worker.ending import EXIT_PASSING, EXIT_SOME_FAILED, EXIT_STOPPED
from tests.support.rendered import deployment, environment

if TYPE_CHECKING:
    from tests.support.rendered import Manifest, Render

FEED = "https://example.org/feed.xml"
JOBS: dict[str, Any] = {"mode": "jobs", "submit": {"sources": [FEED]}}
LONG = "a-release-with-a-name-that-is-as-long-as-one-may-be"
PODS = {"downloader": 12, "asr": 2, "embedder": 12}


@pytest.fixture(scope="module")
def render(render: Render) -> Render:
    """As that of all charts' tests; the objects of the same values are rendered once."""
    known: dict[str, str] = {}

    def rendered(values: dict[str, Any] | None = None, name: str = "ingest") -> list[Manifest]:
        key = json.dumps([values, name])
        if key not in known:
            known[key] = json.dumps(render(values, name))
        found: list[Manifest] = json.loads(known[key])
        return found

    return rendered


def with_backfill(**values: object) -> dict[str, Any]:
    return {**JOBS, "backfill": values}


def jobs(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Return the Jobs of a run by their services."""
    found = [item for item in manifests if item["kind"] == "Job" and RUN in item["metadata"]["labels"]]
    return {item["metadata"]["labels"][COMPONENT]: item for item in found}


def job_set(manifests: list[Manifest]) -> Manifest:
    (found,) = [item for item in manifests if item["kind"] == "JobSet"]
    return found


def of_set(found: Manifest) -> dict[str, Manifest]:
    """Return the Jobs of a JobSet as its controller makes them, by their services."""
    named = {item["name"]: item["template"] for item in found["spec"]["replicatedJobs"]}
    return {
        name: {"apiVersion": "batch/v1", "kind": "Job", **job, "metadata": {**job["metadata"], "name": f"x-{name}-0"}}
        for name, job in named.items()
    }


def template(manifests: list[Manifest]) -> Manifest:
    (found,) = [item for item in manifests if item["kind"] == "ConfigMap" and item["metadata"]["name"].endswith("fill")]
    return {**found, "metadata": {**found["metadata"], "uid": "1"}}


def without_names(job: Manifest) -> str:
    return yaml.safe_dump({**job, "metadata": job["metadata"]["labels"]})


def test_three_jobs_do_the_work_of_the_deployments(render: Render) -> None:
    manifests, deployed = render(JOBS), render()
    found = jobs(manifests)
    assert {name: job["spec"]["parallelism"] for name, job in found.items()} == PODS
    for name, job in found.items():
        pod = job["spec"]["template"]["spec"]
        other = deployment(deployed, name)["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        arguments = container.pop("args")
        assert parse(name, arguments).until_settled == job["metadata"]["labels"][RUN]
        assert pod.pop("restartPolicy") == "Never", "the policy of failures asks for it"
        assert pod == other
        assert job["spec"]["completionMode"] == "Indexed", "the successor of a pod has its name, for the crash journal"
        assert job["spec"]["completions"] == PODS[name]


def test_the_mode_takes_the_place_of_deployments_and_of_what_scales_and_guards_them(render: Render) -> None:
    kinds = {(item["kind"], item["metadata"]["labels"][COMPONENT]) for item in render(JOBS)}
    of_services = {kind for kind, component in kinds if component in set(Service)}
    assert of_services == {"Job", "NetworkPolicy"}
    assert ("Deployment", "archive") in kinds
    assert ("Pod", "test") not in kinds, "nothing would work for `helm test`"
    assert [one for one in render() if RUN in one["metadata"]["labels"]] == []


def test_the_submission_names_the_run_of_the_jobs(render: Render) -> None:
    manifests = render(with_backfill(run="mine"))
    (run,) = {job["metadata"]["labels"][RUN] for job in jobs(manifests).values()}
    (submit,) = [item for item in manifests if item["metadata"]["name"].startswith("ingest-submit-")]
    command = submit["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[-4:] == ["--run", run, "--", FEED]
    assert run.startswith("mine-")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"submit": {"sources": [FEED, "https://example.org/b.xml"]}}, id="sources"),
        pytest.param({"submit": {"sources": [FEED], "options": ["--force"]}}, id="options"),
        pytest.param({"image": {"tag": "next"}}, id="image"),
        pytest.param({"backfill": {"run": "again"}}, id="by hand"),
        pytest.param({"backfill": {"parallelism": {"asr": 3}}}, id="pods"),
    ],
)
def test_a_change_makes_another_run_because_jobs_are_immutable(render: Render, change: dict[str, Any]) -> None:
    before, after = ({job["metadata"]["name"] for job in jobs(render(JOBS | one)).values()} for one in ({}, change))
    assert before.isdisjoint(after)
    assert len(after) == len(Service)


def test_without_sources_there_is_no_run_and_nothing_to_submit(render: Render) -> None:
    assert jobs(render({"mode": "jobs"})) == {}


@pytest.mark.parametrize("by", ["init", "hook", "none"])
def test_streams_and_schema_exist_before_the_first_run(render: Render, by: str) -> None:
    """A submission needs them, and no embedder waits for work."""
    values = {"migrations": {"by": by}}
    found = [item for item in render(JOBS | values) if item["metadata"]["name"].startswith("ingest-migrate")]
    assert len(found) == (0 if by == "none" else 1)
    assert [item for item in found if "annotations" in item["metadata"]] == (found if by == "hook" else [])
    hashed = [item for item in found if item["metadata"]["name"] != "ingest-migrate"]
    assert hashed == (found if by == "init" else [])
    assert [item for item in render(values) if item["metadata"]["name"].startswith("ingest-migrate-")] == []


def test_a_disruption_and_a_passing_reason_do_not_count_and_failed_recordings_end_the_job(render: Render) -> None:
    for name, job in jobs(render(JOBS)).items():
        disrupted, passing, *rest = job["spec"]["podFailurePolicy"]["rules"]
        assert disrupted == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
        codes = {"containerName": name, "operator": "In", "values": [EXIT_PASSING, EXIT_STOPPED]}
        assert passing == {"action": "Ignore", "onExitCodes": codes}
        failed = {"containerName": "embedder", "operator": "In", "values": [EXIT_SOME_FAILED]}
        assert rest == ([{"action": "FailJob", "onExitCodes": failed}] if name == "embedder" else [])
        assert job["spec"]["podReplacementPolicy"] == "Failed"
        assert job["spec"]["backoffLimit"] == 20


@pytest.mark.parametrize(
    ("values", "suspended", "queue"),
    [
        pytest.param({}, False, None, id="they start at once"),
        pytest.param({"suspend": True}, True, None, id="by choice"),
        pytest.param({"queue": "gpus"}, True, "gpus", id="until Kueue admits them"),
    ],
)
@pytest.mark.parametrize("as_set", [False, True])
def test_a_run_is_created_suspended_for_kueue(
    render: Render,
    values: dict[str, Any],
    suspended: bool,  # noqa: FBT001 (a table's value)
    queue: str | None,
    as_set: bool,  # noqa: FBT001 (a table's value)
) -> None:
    manifests = render(with_backfill(**values, labels={"team": "a"}, jobSet={"enabled": as_set}))
    for one in [job_set(manifests)] if as_set else jobs(manifests).values():
        assert one["spec"]["suspend"] is suspended
        assert one["metadata"]["labels"].get("kueue.x-k8s.io/queue-name") == queue
        assert one["metadata"]["labels"]["team"] == "a"
        pods = [job["spec"]["template"] for job in (of_set(one).values() if as_set else [one])]
        assert not any("kueue.x-k8s.io/queue-name" in pod["metadata"]["labels"] for pod in pods)


def test_a_job_set_has_the_same_jobs_in_order_and_ends_with_asr_and_embedder(render: Render) -> None:
    plain, found = jobs(render(JOBS)), job_set(render(with_backfill(jobSet={"enabled": True, "maxRestarts": 5})))
    spec = found["spec"]
    assert [item["name"] for item in spec["replicatedJobs"]] == list(Service)
    assert spec["startupPolicy"] == {"startupPolicyOrder": "InOrder"}
    assert spec["successPolicy"] == {"operator": "All", "targetReplicatedJobs": ["asr", "embedder"]}
    (rule,) = spec["failurePolicy"].pop("rules")
    assert spec["failurePolicy"] == {"maxRestarts": 5}
    failed = {"type": "Failed", "status": "True", "reason": rule["onJobFailureReasons"][0]}
    state = job_state({**of_set(found)["embedder"], "status": {"conditions": [failed]}})
    assert (state, rule["action"], rule["targetReplicatedJobs"]) == ("recordings failed", "FailJobSet", ["embedder"])
    assert spec["ttlSecondsAfterFinished"] == 604800
    for name, job in of_set(found).items():
        same = {**plain[name]["spec"]}
        assert same.pop("ttlSecondsAfterFinished") == 604800, "a Job of a JobSet must not vanish before the others end"
        assert not same.pop("suspend")
        run = job["metadata"]["labels"][RUN]
        other = plain[name]["metadata"]["labels"][RUN]
        assert yaml.safe_dump(job["spec"]).replace(run, other) == yaml.safe_dump(same)


@pytest.mark.usefixtures("_schemas_are_read_once")
@pytest.mark.parametrize("minor", [29, 36])  # those of three Jobs are valid for all, as test_chart.py finds
def test_the_jobs_of_a_job_set_are_valid_for_kubernetes(render: Render, minor: int) -> None:
    deadline = {"activeDeadlineSeconds": 5000000, "ttlSecondsAfterFinished": None}
    found = of_set(job_set(render(with_backfill(**deadline, jobSet={"enabled": True}))))
    assert found.keys() == set(Service)
    for job in found.values():
        assert job["spec"]["activeDeadlineSeconds"] == 5000000
        kubernetes_validate.validate(job, f"1.{minor}", strict=True)


@pytest.mark.parametrize("as_set", [False, True])
@pytest.mark.parametrize("run", ["260131-4f2a", "a-name-of-20-letters"])
def test_the_template_of_the_command_has_the_same_objects(
    render: Render,
    run: str,
    as_set: bool,  # noqa: FBT001 (a table's value)
) -> None:
    manifests = render(with_backfill(jobSet={"enabled": as_set}))
    (of_release, *_) = [job_set(manifests)] if as_set else jobs(manifests).values()
    other = of_release["metadata"]["labels"][RUN]
    made = backfill.objects(template(manifests), run)
    assert len(made) == (1 if as_set else len(Service))
    assert backfill.PLACE not in yaml.safe_dump_all(made)
    owner = made[0]["metadata"].pop("ownerReferences")
    assert [one["name"] for one in owner] == ["ingest-backfill"]
    assert yaml.safe_dump(made[0]).replace(run, other) == yaml.safe_dump(of_release)


def test_the_template_exists_in_each_mode_and_the_operator_may_use_it(render: Render) -> None:
    manifests = render()
    assert len(backfill.objects(template(manifests), "x")) == len(Service)
    (role,) = [item for item in manifests if item["kind"] == "Role"]
    rights = {(one["apiGroups"][0], one["resources"][0]): set(one["verbs"]) for one in role["rules"]}
    assert rights["batch", "jobs"] == {"create", "list"}
    assert rights["jobset.x-k8s.io", "jobsets"] == {"create", "get"}
    assert rights["", "configmaps"] == {"get"}


@pytest.mark.parametrize("as_set", [False, True])
def test_no_name_is_longer_than_a_label_may_be(
    render: Render,
    as_set: bool,  # noqa: FBT001 (a table's value)
) -> None:
    values = with_backfill(run="eleven-long", jobSet={"enabled": as_set}, parallelism=dict.fromkeys(Service, 100))
    manifests = render(values, name=LONG)
    (of_release, *_) = [job_set(manifests)] if as_set else jobs(manifests).values()
    assert len(of_release["metadata"]["labels"][RUN]) == 20
    for made in (of_release, *backfill.objects(template(manifests), "a-name-of-20-letters")):
        suffix = "-downloader-0-99" if as_set else "-99"
        assert len(made["metadata"]["name"] + suffix) <= 63


def test_the_names_of_runs_are_those_that_services_take(render: Render) -> None:
    for run in (
        backfill.new_name(datetime(2026, 1, 31, tzinfo=UTC), "4f2ab0"),
        *(jobs(render(with_backfill(run=name)))["asr"]["metadata"]["labels"][RUN] for name in ("", "eleven-long")),
    ):
        assert re.match(RUN_NAME_PATTERN, run), run


def test_a_budget_of_the_deployments_has_no_pods_of_jobs(render: Render) -> None:
    """A budget with maxUnavailable does not know how many pods a Job wants, and then permits no eviction at all."""
    budgets = [item for item in render() if item["kind"] == "PodDisruptionBudget"]
    ours = [item for item in budgets if item["metadata"]["labels"][COMPONENT] in set(Service)]
    assert len(ours) == len(Service)
    for budget in ours:
        assert budget["spec"]["selector"]["matchExpressions"] == [{"key": RUN, "operator": "DoesNotExist"}]


def test_a_card_is_asked_for_as_before(render: Render) -> None:
    pod = jobs(render(JOBS))["asr"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert environment(pod["containers"][0])["INGEST_GRACE_S"] == "300"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({"mode": "job"}, "/mode", id="no mode"),
        pytest.param(with_backfill(parallelism={"asr": 0}), "/backfill/parallelism/asr", id="no pods"),
        pytest.param(with_backfill(run="twelve-chars"), "/backfill/run", id="a long name"),
        pytest.param(with_backfill(queue="Not a name"), "/backfill/queue", id="no queue"),
        pytest.param(with_backfill(paralelism={}), "/backfill", id="unknown key"),
    ],
)
def test_a_wrong_value_is_refused(render: Render, values: dict[str, Any], words: str) -> None:
    with pytest.raises(HelmValuesError, match=words):
        render(values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({"asr": {"keda": {"enabled": True}}}, "backfill.parallelism.asr", id="KEDA"),
        pytest.param({"embedder": {"autoscaling": {"enabled": True}}}, "backfill.parallelism.embedder", id="HPA"),
        pytest.param({"sync": {"sources": [FEED]}}, "submit.sources", id="requests that no pod works on"),
    ],
)
def test_what_needs_deployments_is_refused(render: Render, values: dict[str, Any], words: str) -> None:
    with pytest.raises(HelmRenderError, match=re.escape(words)):
        render({**JOBS, **values})
